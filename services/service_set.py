"""A Kafka, a Redis and a Redis Cluster in one folder: the set of a checkout, or one of a test's own."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from services.kafka_broker import KafkaBroker
from services.kafka_jars import locked
from services.part import Part, write_whole
from services.process import ServiceError
from services.programs import require
from services.redis_cluster import RedisCluster
from services.redis_server import RedisServer

SERVICES = Path(__file__).resolve().parents[1] / ".services"


class ServiceSet:
    """The three services of a folder, in `kafka`, `redis` and `cluster`."""

    def __init__(
        self,
        folder: Path = SERVICES,
        *,
        kafka_properties: Mapping[str, str] | None = None,
    ) -> None:
        """Describe it; nothing starts yet."""
        self.folder = folder.resolve()
        broker = self.folder / "kafka" / "broker"
        self.kafka = KafkaBroker(broker, properties=kafka_properties)
        self.redis = RedisServer(self.folder / "redis")
        self.cluster = RedisCluster(self.folder / "redis-cluster")

    @property
    def parts(self) -> list[Part | RedisCluster]:
        """The services; Kafka last: while it starts, the cluster's nodes find each other."""
        return [self.redis, self.cluster, self.kafka]

    @property
    def running(self) -> bool:
        """Whether all of them run."""
        return all(part.running for part in self.parts)

    @property
    def env(self) -> dict[str, str]:
        """What commands find them by."""
        addresses = {"KAFKA": self.kafka.address, "REDIS": self.redis.url, "REDIS_CLUSTER": self.cluster.url}
        return {f"RTREC_{name}": address for name, address in addresses.items()}

    @property
    def state(self) -> dict[str, Any]:
        """Processes, ports and commands as recorded."""
        return {part.name: part.state | {"running": part.running} for part in self.parts}

    def start(self) -> list[str]:
        """Start what does not run, wait until all are ready, write the env file; the names of what was started."""
        require(dict.fromkeys(program for part in self.parts for program in part.programs()))
        with locked(self.folder / "lock"):
            started = [part.name for part in self.parts if part.launch()]
            for part in self.parts:
                part.wait()
            lines = (f"export {name}={address}\n" for name, address in self.env.items())
            write_whole(self.folder / "env", "".join(lines))
        return started

    def stop(self) -> list[str]:
        """End what runs, and the env file with it; the names of what ran."""
        with locked(self.folder / "lock"):
            (self.folder / "env").unlink(missing_ok=True)
            ran = [part.name for part in self.parts if part.running]
            for part in self.parts:
                part.stop()
        return ran

    def kill(self) -> None:
        """End all at once, as a machine does that loses power."""
        for part in self.parts:
            part.kill()

    def wipe(self) -> None:
        """Delete data, logs and ports of the stopped services; Kafka's jars stay."""
        if any(part.running for part in self.parts):
            raise ServiceError("stop the services before their data is deleted")
        for folder in (self.folder / "kafka" / "broker", self.folder / "redis", self.folder / "redis-cluster"):
            shutil.rmtree(folder, ignore_errors=True)
