"""A Redis of one process: every write synced to an append-only file before its answer, and nothing evicted, ever."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

from services.certificates import Certificates
from services.part import HOST, Part
from services.programs import program
from services.resp import RespError, ask

DIRECTIVES = {
    "bind": HOST,
    "protected-mode": "no",  # nobody but this machine reaches it
    "daemonize": "no",
    "save": '""',  # the append-only file is the data
    "appendonly": "yes",
    "appendfsync": "always",  # with everysec a SIGKILL lost acknowledged commits: a write waits while a sync runs
    "maxmemory-policy": "noeviction",
}


class RedisServer(Part):
    """A Redis with its own data."""

    def __init__(
        self,
        folder: Path,
        *,
        directives: Mapping[str, str] | None = None,
        password: str = "",
        tls: Certificates | None = None,
        name: str = "redis",
    ) -> None:
        """Describe it; nothing starts yet. `directives` are lines for `redis.conf`, over our own."""
        super().__init__(name, folder)
        self.directives = dict(directives or {})
        self.password = password
        self.tls = tls
        self.port_names = ("client", "tls") if tls else ("client",)

    @property
    def url(self) -> str:
        """Where clients find it, with the password."""
        return self._url("redis", "client")

    @property
    def tls_url(self) -> str:
        """The same with TLS; clients need the authority's file (`tls.authority`)."""
        return self._url("rediss", "tls")

    def _url(self, scheme: str, port: str) -> str:
        return f"{scheme}://{f':{self.password}@' if self.password else ''}{HOST}:{self.port(port)}"

    def programs(self) -> list[str]:
        """One."""
        return ["redis-server"]

    def prepare(self) -> list[str]:
        """Write `redis.conf`, and give the command."""
        lines = DIRECTIVES | {"port": str(self.port()), "dir": f'"{self.data}"'}
        if self.password:
            lines |= {"requirepass": self.password, "masterauth": self.password}
        if self.tls:
            lines |= {"tls-port": str(self.port("tls")), "tls-auth-clients": "no"}
            lines |= {"tls-cert-file": f'"{self.tls.certificate}"', "tls-key-file": f'"{self.tls.key}"'}
            lines |= {"tls-ca-cert-file": f'"{self.tls.authority}"'}
        config = self.folder / "redis.conf"
        text = "".join(f"{key} {value}\n" for key, value in (lines | self.directives).items())
        config.write_text(text, encoding="utf-8")
        self._repair()
        return [program("redis-server"), str(config)]

    def _repair(self) -> None:
        """Cut off what a crash left of a transaction: Redis 7.0 leaves it there, and loses what comes after it."""
        for manifest in (self.data / "appendonlydir").glob("*.manifest"):
            command = [program("redis-check-aof"), "--fix", str(manifest)]
            subprocess.run(command, input=b"y\n", capture_output=True, check=False)  # noqa: S603 - our own file

    def ready(self) -> bool:
        """Whether it answers, its data loaded."""
        try:
            return self.ask("PING") == "PONG"
        except (OSError, RespError):
            return False

    def ask(self, *command: str) -> str:
        """The answer to a command that gives one text or number."""
        return ask(HOST, self.port(), command, password=self.password)
