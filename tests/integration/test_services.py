"""`make services`: real ones, on free ports, found through `env`, with data that outlives a kill."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from kafka import KafkaAdminClient
from kafka.admin import NewTopic
from redis import Redis
from redis.cluster import RedisCluster

from services.process import Process, ServiceError, until
from services.service_set import ServiceSet
from tests.services import Session, begin, start_or_skip, tidy

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def services(service_session: Session) -> Iterator[ServiceSet]:
    """A set of this file's own."""
    made = service_session.isolated()
    start_or_skip(made)
    yield made
    made.kill()


def command(name: str, services: ServiceSet) -> subprocess.CompletedProcess[str]:
    """By a Python that has the standard library alone: -I and -S leave all else out."""
    words = [sys.executable, "-I", "-S", str(ROOT / "services" / "services.py"), name, "--folder", str(services.folder)]
    return subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603 - our own script


def processes(services: ServiceSet) -> list[Process]:
    parts = [services.kafka, services.redis, *services.cluster.nodes]
    return [process for part in parts if (process := part.process)]


def make_topic(services: ServiceSet, topic: str) -> None:
    admin = KafkaAdminClient(bootstrap_servers=services.kafka.address)
    admin.create_topics([NewTopic(topic, num_partitions=1, replication_factor=1)])
    admin.close()


def send(services: ServiceSet, topic: str, value: bytes) -> None:
    """By librdkafka: kafka-python takes 6 s for 15 MiB."""
    producer = Producer({"bootstrap.servers": services.kafka.address, "message.max.bytes": 16 << 20})
    producer.produce(topic, value)
    assert producer.flush(60) == 0


def read(services: ServiceSet, topic: str) -> bytes:
    """The first message."""
    consumer = Consumer({"bootstrap.servers": services.kafka.address, "group.id": "none"})
    consumer.assign([TopicPartition(topic, 0, 0)])
    message = consumer.poll(60)
    consumer.close()
    assert message
    assert not message.error()
    value = message.value()
    assert isinstance(value, bytes)
    return value


def test_a_shell_reads_the_env_file_and_gets_the_three_addresses(services: ServiceSet) -> None:
    script = '. "$1"; printf "%s\\n" "$RTREC_KAFKA" "$RTREC_REDIS" "$RTREC_REDIS_CLUSTER"'
    words = ["/bin/sh", "-euc", script, "sh", str(services.folder / "env")]
    found = subprocess.run(words, capture_output=True, text=True, check=True)  # noqa: S603 - a fixed script
    kafka, redis, cluster = found.stdout.split()
    assert kafka == services.kafka.address
    assert Redis.from_url(redis).ping()
    assert RedisCluster.from_url(cluster).ping()


def test_a_second_start_changes_nothing_and_says_so(services: ServiceSet) -> None:
    before = processes(services)
    again = command("start", services)
    assert again.returncode == 0
    assert again.stdout.startswith("already running")
    assert processes(services) == before


def test_status_gives_processes_ports_and_commands(services: ServiceSet) -> None:
    status = json.loads(command("status", services).stdout)
    kafka = services.kafka.process
    assert kafka
    assert status["kafka"]["pid"] == kafka.pid
    assert status["kafka"]["ports"]["client"] == services.kafka.port()
    assert status["redis"]["command"][0].endswith("-server")
    assert status["redis-cluster"]["running"]


def test_a_killed_redis_comes_back_with_its_data_on_its_port(services: ServiceSet) -> None:
    url = services.redis.url
    Redis.from_url(url).set("kept", "1")
    services.redis.kill()
    assert not services.redis.running
    services.redis.start()
    assert Redis.from_url(url).get("kept") == b"1"


def test_nothing_is_evicted_and_each_write_is_appended(services: ServiceSet) -> None:
    for redis in (services.redis, *services.cluster.nodes):
        client = Redis.from_url(redis.url)
        assert client.config_get("maxmemory-policy")["maxmemory-policy"] == "noeviction"
        assert client.config_get("append*")["appendonly"] == "yes"
        assert client.config_get("append*")["appendfsync"] == "always"
        assert client.config_get("bind")["bind"] == "127.0.0.1"


def test_a_cluster_whose_nodes_are_killed_comes_back_whole(services: ServiceSet) -> None:
    client = RedisCluster.from_url(services.cluster.url)
    keys = {f"{{{number}}}:key": str(number).encode() for number in range(50)}
    for key, value in keys.items():
        client.set(key, value)
    assert all(Redis.from_url(node.url).dbsize() for node in services.cluster.nodes), "each node has its share"
    services.cluster.kill()
    services.cluster.start()
    again = RedisCluster.from_url(services.cluster.url)
    assert {key: again.get(key) for key in keys} == keys


def test_a_killed_broker_comes_back_with_its_topics_on_its_port(services: ServiceSet) -> None:
    make_topic(services, "kept")
    send(services, "kept", b"a message")
    services.kafka.kill()
    assert command("start", services).stdout.startswith("started kafka in "), "only what was dead"
    assert read(services, "kept") == b"a message"


def test_a_chunk_of_many_megabytes_goes_through_and_a_misspelt_topic_is_not_made(services: ServiceSet) -> None:
    make_topic(services, "large")
    value = os.urandom(15 << 20)
    send(services, "large", value)
    assert read(services, "large") == value
    admin = KafkaAdminClient(bootstrap_servers=services.kafka.address, request_timeout_ms=10_000)
    assert "lagre" not in admin.list_topics()
    admin.describe_topics(["lagre"])
    assert "lagre" not in admin.list_topics()
    admin.close()


def test_a_session_uses_services_that_run_and_takes_only_its_own_out_of_them(services: ServiceSet) -> None:
    session = begin(services.folder)
    assert session.shared.folder == services.folder
    clients: list[Redis | RedisCluster] = [
        Redis.from_url(services.redis.url),
        RedisCluster.from_url(services.cluster.url),
    ]
    for name in (session.prefix, "others"):
        make_topic(services, f"{name}0-events")
        for client in clients:
            client.set(f"{{{name}0-heat:1}}:anchor", "1")
    tidy(session)
    admin = KafkaAdminClient(bootstrap_servers=services.kafka.address)
    assert until(lambda: f"{session.prefix}0-events" not in admin.list_topics(), 30)
    assert "others0-events" in admin.list_topics()
    admin.close()
    for client in clients:
        assert client.get(f"{{{session.prefix}0-heat:1}}:anchor") is None
        assert client.get("{others0-heat:1}:anchor") == b"1"


def test_data_is_not_deleted_from_under_a_running_service(services: ServiceSet) -> None:
    with pytest.raises(ServiceError, match="stop the services"):
        services.wipe()
    assert services.running


def test_stop_leaves_no_process_and_no_env_file_behind(services: ServiceSet) -> None:
    """Last in this file: what it says is stopped."""
    ran = processes(services)
    assert len(ran) == 5
    stopped = command("stop", services)
    assert stopped.returncode == 0, stopped.stderr
    assert stopped.stdout.startswith("stopped redis, redis-cluster, kafka")
    assert not [process for process in ran if process.alive]
    assert not (services.folder / "env").exists()
    assert command("stop", services).stdout.startswith("nothing was running")
    services.wipe()
    assert not services.redis.folder.exists()
