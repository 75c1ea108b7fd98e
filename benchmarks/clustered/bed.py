"""Where the cluster's benchmarks run: real servers, and a namespace of its own for each scenario.

Rules
-----
- Servers are those that RTREC_KAFKA and RTREC_REDIS name; without them a set of one's own is started in a temporary
  folder, and stopped. Of servers of others only what bears a scenario's name is deleted.
- Other RTREC_ variables reach the stages as they are, so that a setting can be tried.
"""

import contextlib
import os
import secrets
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import redis

from rtrec.adapters.kafka_topics import admin_client, ensure
from rtrec.settings import Settings
from rtrec.settings_io import load
from services.service_set import ServiceSet
from tests.services_tidy import delete_keys, delete_topics


@dataclass(frozen=True)
class Bed:
    """Servers, by address and by process; a kafka of others has no known process."""

    kafka: str
    redis: str
    pids: dict[str, int]
    folder: Path
    prefix: str

    def scenario(self, name: str, partitions: int | None = None) -> "Scenario":
        """A namespace with all of its topics. partitions: as by default, unless said."""
        scenario = Scenario(self, f"{self.prefix}{name}-", partitions)
        with admin_client(scenario.settings.kafka) as admin:
            if bad := [report for report in ensure(scenario.settings, admin) if not report.ok]:
                raise RuntimeError(f"topics cannot be made: {bad}")
        return scenario


@dataclass(frozen=True)
class Scenario:
    """One namespace on a bed."""

    bed: Bed
    namespace: str
    partitions: int | None

    @property
    def environ(self) -> dict[str, str]:
        """What its stages are configured by."""
        place = self.bed.folder / self.namespace
        return {
            **({"RTREC_CLUSTER_PARTITIONS": str(self.partitions)} if self.partitions else {}),
            **{name: value for name, value in os.environ.items() if name.startswith("RTREC_")},
            "RTREC_KAFKA": self.bed.kafka,
            "RTREC_REDIS": self.bed.redis,
            "RTREC_CLUSTER_NAMESPACE": self.namespace,
            "RTREC_REGISTRY_URL": str(place / "registry"),
            "RTREC_ARCHIVE_URL": str(place / "archive"),
        }

    @property
    def settings(self) -> Settings:
        """The same as settings."""
        return load(None, self.environ)

    def topic(self, name: str) -> str:
        """A topic as the broker knows it."""
        return self.namespace + name


@contextlib.contextmanager
def bed() -> Iterator[Bed]:
    """See the module."""
    prefix = f"bench{secrets.token_hex(3)}-"
    with tempfile.TemporaryDirectory(prefix="rtrec-bench-") as folder:
        place = Path(folder)
        if "RTREC_KAFKA" in os.environ and "RTREC_REDIS" in os.environ:
            kafka, store = os.environ["RTREC_KAFKA"], os.environ["RTREC_REDIS"]
            try:
                yield Bed(kafka, store, _pids(store), place, prefix)
            finally:
                delete_topics(kafka, prefix)
                delete_keys(store, prefix)
            return
        servers = ServiceSet(place)
        try:
            servers.redis.start()
            servers.kafka.start()
            broker = servers.kafka.process
            pids = _pids(servers.redis.url) | ({"kafka": broker.pid} if broker else {})
            yield Bed(servers.kafka.address, servers.redis.url, pids, place, prefix)
        finally:
            servers.kill()


def _pids(url: str) -> dict[str, int]:
    with redis.Redis.from_url(url) as client:
        return {"redis": int(client.info("server")["process_id"])}
