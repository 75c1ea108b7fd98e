"""A Kafka of one node: broker and controller in one JVM (KRaft).

Ready means that its log says so: the line comes after the broker was let in by its controller, later than its port.

A JVM that finds Kafka's classes in an archive starts in half the time (4.0 instead of 7.2 s of CPU): the first broker
writes one beside the jars when it is stopped in order, those after it use it.
"""

import base64
import subprocess
import uuid
from collections.abc import Mapping
from pathlib import Path

from services.certificates import Certificates
from services.kafka_jars import LIBS, jars_present, kafka_jars
from services.part import HOST, Part
from services.process import MissingError, ServiceError
from services.programs import program

READY_LINE = "Kafka Server started"
FORMAT_S = 120
SCRAM = ("SCRAM-SHA-256", "SCRAM-SHA-512")
MODULES = "org.apache.kafka.common.security"
# It shares a machine with all that it serves, and the second compiler takes a third of a core there for minutes: on two
# cores the stages were 5 s behind at 60,000 events a second with it, 0.6 s without, and no faster later.
JVM = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-XX:+ExitOnOutOfMemoryError")

PROPERTIES = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "auto.create.topics.enable": "false",  # a name with a typing error must not become a topic
    "message.max.bytes": "16777216",  # a chunk of a micro-batch
    "replica.fetch.max.bytes": "16777216",
    # One node: nothing can be replicated. Fewer partitions start faster.
    "offsets.topic.num.partitions": "8",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    # A broker that crashed is let in again only when its old session has ended; 9 s are the default, asked every 2.
    "broker.session.timeout.ms": "4000",
    "broker.heartbeat.interval.ms": "500",
    "group.initial.rebalance.delay.ms": "0",  # a lone consumer need not wait 3 s for company
    "group.min.session.timeout.ms": "1000",  # tests notice a dead worker in 6 s or less
    "log.cleaner.dedupe.buffer.size": "16777216",  # 128 MiB by default: a quarter of this heap
    "log.index.size.max.bytes": "1048576",
}


class KafkaBroker(Part):
    """A Kafka with its own data."""

    def __init__(
        self,
        folder: Path,
        *,
        properties: Mapping[str, str] | None = None,
        tls: Certificates | None = None,
        users: Mapping[str, str] | None = None,
        heap: str = "512m",
        libs: Path = LIBS,
        name: str = "kafka",
    ) -> None:
        """Describe it; nothing starts yet.

        Parameters
        ----------
        properties
            Lines for `server.properties`, over our own.
        tls, users
            With one of them or both there is a second listener, at `secure_address`: SSL, SASL_PLAINTEXT or SASL_SSL.
            A user (name → password) is let in by PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512; the latter two learn of
            users when the data folder is made.

        """
        super().__init__(name, folder)
        self.properties = dict(properties or {})
        self.tls = tls
        self.users = dict(users or {})
        self.heap = heap
        self.libs = libs
        self.port_names = ("client", "controller", "secure") if tls or users else ("client", "controller")

    @property
    def secure_address(self) -> str:
        """host:port of the listener with TLS, users, or both."""
        return f"{HOST}:{self.port('secure')}"

    def programs(self) -> list[str]:
        """Java; and Maven as long as the jars are not there."""
        return ["java"] if jars_present(self.libs) else ["java", "mvn"]

    def prepare(self) -> list[str]:
        """Write `server.properties`, make the data folder a Kafka's if it is new, and give the command."""
        jars = kafka_jars(self.libs)
        config = self.folder / "server.properties"
        lines = PROPERTIES | self._listeners() | self._security() | {"log.dirs": str(self.data)} | self.properties
        config.write_text("".join(f"{key}={value}\n" for key, value in lines.items()), encoding="utf-8")
        java = [program("java"), f"-Xmx{self.heap}", *JVM]
        # A start says three times what each of 300 settings is: what is ours stands in server.properties.
        java += ["-Dorg.slf4j.simpleLogger.log.org.apache.kafka.common.config.AbstractConfig=warn"]
        java += ["-Dorg.slf4j.simpleLogger.showDateTime=true"]
        java += ["-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX", "-cp", f"{jars}/*"]
        self._draft_archive.unlink(missing_ok=True)
        java += [f"-XX:SharedArchiveFile={self._archive}"] if self._archive.exists() else []
        if not (self.data / "meta.properties").exists():
            self._format(java, config)
        if not self._archive.exists():
            java += [f"-XX:ArchiveClassesAtExit={self._draft_archive}"]
        return [*java, "kafka.Kafka", str(config)]

    def stop(self) -> bool:
        """End it in order; the archive of its classes is whole only then."""
        orderly = super().stop()
        if orderly and self._draft_archive.exists():
            self._draft_archive.replace(self._archive)
        self._draft_archive.unlink(missing_ok=True)
        return orderly

    def kill(self) -> None:
        """End it as a crash does."""
        super().kill()
        self._draft_archive.unlink(missing_ok=True)

    def ready(self) -> bool:
        """Whether it said so since it was started."""
        return READY_LINE in self.log_text()

    @property
    def _archive(self) -> Path:
        return self.libs / "kafka.jsa"

    @property
    def _draft_archive(self) -> Path:
        return self.libs / f"kafka-{self.port()}.jsa"

    def _listeners(self) -> dict[str, str]:
        ports = {"PLAINTEXT": self.port(), "CONTROLLER": self.port("controller")}
        protocols = {"PLAINTEXT": "PLAINTEXT", "CONTROLLER": "PLAINTEXT"}
        if self.tls or self.users:
            ports["SECURE"] = self.port("secure")
            protocols["SECURE"] = ("SASL_" if self.users else "") + ("SSL" if self.tls else "PLAINTEXT")
        return {
            "listeners": ",".join(f"{name}://{HOST}:{port}" for name, port in ports.items()),
            "listener.security.protocol.map": ",".join(f"{name}:{kind}" for name, kind in protocols.items()),
            "controller.quorum.voters": f"1@{HOST}:{self.port('controller')}",
        }

    def _security(self) -> dict[str, str]:
        lines: dict[str, str] = {}
        if self.tls:
            lines |= {"ssl.keystore.type": "PEM", "ssl.keystore.location": str(self.tls.keystore)}
        if self.users:
            known = " ".join(f'user_{user}="{password}"' for user, password in self.users.items())
            modules = dict.fromkeys(SCRAM, f"{MODULES}.scram.ScramLoginModule required;")
            modules |= {"PLAIN": f"{MODULES}.plain.PlainLoginModule required {known};"}
            lines |= {"sasl.enabled.mechanisms": ",".join(modules)}
            lines |= {f"{mechanism.lower()}.sasl.jaas.config": module for mechanism, module in modules.items()}
        return {f"listener.name.secure.{key}": value for key, value in lines.items()}

    def _format(self, java: list[str], config: Path) -> None:
        cluster_id = "r" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode()[1:22]  # a dash in front is an option
        command = [
            *java,
            "kafka.tools.StorageTool",
            "format",
            "--ignore-formatted",
            "-t",
            cluster_id,
            "-c",
            str(config),
        ]
        for user, password in self.users.items():
            for mechanism in SCRAM:
                command += ["--add-scram", f"{mechanism}=[name={user},password={password}]"]
        run = subprocess.run(  # noqa: S603 - a fixed command
            command, capture_output=True, text=True, check=False, timeout=FORMAT_S, stdin=subprocess.DEVNULL
        )
        if "UnsupportedClassVersionError" in run.stderr:
            raise MissingError(
                "Kafka needs Java 17 or newer; on Debian or Ubuntu: apt-get install openjdk-17-jre-headless"
            )
        if run.returncode:
            raise ServiceError(f"Kafka could not make its data folder:\n{(run.stdout + run.stderr)[-2_000:]}")
