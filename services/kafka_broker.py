"""A Kafka of one node: broker and controller in one JVM (KRaft).

Ready means that its log says so: the line comes after the broker was let in by its controller, later than its port.
"""

import base64
import subprocess
import uuid
from collections.abc import Mapping
from pathlib import Path

from services.kafka_jars import LIBS, kafka_jars
from services.part import HOST, Part
from services.process import ServiceError
from services.programs import program

READY_LINE = "Kafka Server started"
FORMAT_S = 120

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
        listeners: Mapping[str, str] | None = None,
        scram_users: Mapping[str, str] | None = None,
        heap: str = "512m",
        libs: Path = LIBS,
        name: str = "kafka",
    ) -> None:
        """Describe it; nothing starts yet.

        Parameters
        ----------
        properties
            Lines for `server.properties`, over our own.
        listeners
            Listeners besides PLAINTEXT: name → protocol, e.g. {"SECURE": "SASL_SSL"}; `port("SECURE")` is its port.
        scram_users
            User → password, known as SCRAM-SHA-256 and SCRAM-SHA-512; taken when the data folder is made.

        """
        super().__init__(name, folder)
        self.properties = dict(properties or {})
        self.listeners = dict(listeners or {})
        self.scram_users = dict(scram_users or {})
        self.heap = heap
        self.libs = libs
        self.port_names = ("client", "controller", *self.listeners)

    def prepare(self) -> list[str]:
        """Write `server.properties`, make the data folder a Kafka's if it is new, and give the command."""
        jars = kafka_jars(self.libs)
        config = self.folder / "server.properties"
        lines = self._properties() | self.properties
        config.write_text("".join(f"{key}={value}\n" for key, value in lines.items()), encoding="utf-8")
        java = [program("java"), f"-Xmx{self.heap}", "-XX:+ExitOnOutOfMemoryError"]
        java += ["-Dorg.slf4j.simpleLogger.showDateTime=true"]
        java += ["-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX", "-cp", f"{jars}/*"]
        if not (self.data / "meta.properties").exists():
            self._format(java, config)
        return [*java, "kafka.Kafka", str(config)]

    def ready(self) -> bool:
        """Whether it said so since it was started."""
        return READY_LINE in self.log_text()

    def _properties(self) -> dict[str, str]:
        protocols = {"PLAINTEXT": "PLAINTEXT", "CONTROLLER": "PLAINTEXT"} | self.listeners
        ports = {"PLAINTEXT": self.port(), "CONTROLLER": self.port("controller")}
        ports |= {name: self.port(name) for name in self.listeners}
        return PROPERTIES | {
            "listeners": ",".join(f"{name}://{HOST}:{port}" for name, port in ports.items()),
            "listener.security.protocol.map": ",".join(f"{name}:{kind}" for name, kind in protocols.items()),
            "controller.quorum.voters": f"1@{HOST}:{self.port('controller')}",
            "log.dirs": str(self.data),
        }

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
        for user, password in self.scram_users.items():
            for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512"):
                command += ["--add-scram", f"{mechanism}=[name={user},password={password}]"]
        run = subprocess.run(  # noqa: S603 - a fixed command
            command, capture_output=True, text=True, check=False, timeout=FORMAT_S, stdin=subprocess.DEVNULL
        )
        if "UnsupportedClassVersionError" in run.stderr:
            raise ServiceError(
                "Kafka needs Java 17 or newer; on Debian or Ubuntu: apt-get install openjdk-17-jre-headless"
            )
        if run.returncode:
            raise ServiceError(f"Kafka could not make its data folder:\n{(run.stdout + run.stderr)[-2_000:]}")
