"""What tests of Kafka share."""

from rtrec.settings import Settings
from rtrec.settings_cluster import Cluster, Kafka


def settings_of(kafka: Kafka | str, namespace: str, partitions: int = 2) -> Settings:
    """Settings of a cluster: its broker by address, or as settings."""
    kafka = Kafka(bootstrap=kafka) if isinstance(kafka, str) else kafka
    return Settings(kafka=kafka, cluster=Cluster(namespace=namespace, partitions=partitions))
