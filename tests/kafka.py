"""What tests of Kafka share: settings of a namespace, certificates, a broker with more listeners than one."""

from dataclasses import dataclass
from pathlib import Path

from rtrec.settings import Settings
from rtrec.settings_cluster import Cluster, Kafka
from services.certificates import Certificates, make_certificates
from tests.services import start_or_skip


def settings_of(kafka: Kafka | str, namespace: str, partitions: int = 2) -> Settings:
    """Settings of a cluster: its broker by address, or as settings."""
    kafka = Kafka(bootstrap=kafka) if isinstance(kafka, str) else kafka
    return Settings(kafka=kafka, cluster=Cluster(namespace=namespace, partitions=partitions))


@dataclass
class _Made:
    folder: Path
    made: Certificates | None = None

    def start(self) -> None:
        self.made = make_certificates(self.folder)


def certificates(folder: Path) -> Certificates:
    """An authority and a certificate of this machine; without openssl the test is skipped, in CI it fails."""
    making = _Made(folder)
    start_or_skip(making)
    assert making.made is not None
    return making.made
