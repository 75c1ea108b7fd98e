"""Services that ask for a password and speak TLS, as tests of adapters need them."""

import pytest
from kafka import KafkaAdminClient
from redis import Redis
from redis.cluster import RedisCluster as ClusterClient
from redis.exceptions import AuthenticationError

from services.certificates import Certificates
from services.kafka_broker import KafkaBroker
from services.redis_cluster import RedisCluster
from services.redis_server import RedisServer
from tests.services import Session, start_or_skip

PASSWORD = "correct-horse"  # noqa: S105 - of a server that lives for this test


def test_a_redis_with_a_password_and_tls_lets_in_who_has_both(
    service_session: Session, certificates: Certificates
) -> None:
    redis = RedisServer(service_session.own_folder(), password=PASSWORD, tls=certificates)
    start_or_skip(redis)
    try:
        assert Redis.from_url(redis.tls_url, ssl_ca_certs=str(certificates.authority)).ping()
        with pytest.raises(AuthenticationError):
            Redis(port=redis.port()).ping()
    finally:
        redis.stop()


def test_a_cluster_with_a_password_and_tls_redirects_to_tls_ports(
    service_session: Session, certificates: Certificates
) -> None:
    cluster = RedisCluster(service_session.own_folder(), password=PASSWORD, tls=certificates)
    start_or_skip(cluster)
    try:
        client = ClusterClient.from_url(cluster.tls_url, ssl_ca_certs=str(certificates.authority))
        for number in range(20):
            client.set(f"key-{number}", number)
        assert [client.get(f"key-{number}") for number in range(20)] == [b"%d" % number for number in range(20)]
    finally:
        cluster.stop()


def test_a_broker_with_a_sasl_tls_listener_lets_in_its_users(
    service_session: Session, certificates: Certificates
) -> None:
    kafka = KafkaBroker(service_session.own_folder(), tls=certificates, users={"ann": PASSWORD})
    start_or_skip(kafka)
    try:
        admin = KafkaAdminClient(
            bootstrap_servers=kafka.secure_address,
            security_protocol="SASL_SSL",
            sasl_mechanism="SCRAM-SHA-512",
            sasl_plain_username="ann",
            sasl_plain_password=PASSWORD,
            ssl_cafile=str(certificates.authority),
        )
        assert admin.list_topics() == []
        admin.close()
    finally:
        kafka.kill()
