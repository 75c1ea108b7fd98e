"""The table of topics, and what `ensure` makes of it on a real broker."""

from collections.abc import Callable, Iterator

import pytest
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource

from rtrec.adapters.kafka_faults import KafkaAway, KafkaRefused
from rtrec.adapters.kafka_topics import (
    CONTROL,
    EXAMPLES,
    LETTER_BYTES,
    Topic,
    admin_client,
    ensure,
    found_partitions,
    make,
    name,
    table,
    topic_named,
)
from rtrec.settings import Settings
from rtrec.settings_cluster import Cluster, Kafka
from services.process import until
from tests.kafka import settings_of

WAIT_S = 30
STAGES = ["anchor_events", "user_events", "profiled", "scored", "ticks"]
ALONE = ["examples", "weights", "control", "dead_letters"]
ROWS = {row.name: row for row in table(Settings())}


@pytest.fixture
def settings(kafka: str, namespace: str) -> Settings:
    return settings_of(kafka, namespace)


@pytest.fixture
def admin(settings: Settings) -> Iterator[KafkaAdminClient]:
    with admin_client(settings.kafka) as client:
        yield client


def configs(admin: KafkaAdminClient, topic: str) -> dict[str, str]:
    found = admin.describe_configs([ConfigResource("TOPIC", topic)], config_filter="all")["topic"][topic]
    return {key: one["value"] for key, one in found.items()}


def change(admin: KafkaAdminClient, topic: str, **values: str) -> None:
    dotted = {key.replace("_", "."): value for key, value in values.items()}
    answer = admin.alter_configs([ConfigResource("TOPIC", topic, dotted)])
    assert answer == {"topic": {topic: "OK"}}
    assert until(lambda: dotted.items() <= configs(admin, topic).items(), WAIT_S)  # the broker learns of it by itself


# --- the table


def test_sources_and_stages_have_the_clusters_partitions_and_what_needs_one_order_has_one() -> None:
    cluster = Cluster(partitions=5, sources={"events": "", "plays": "plays.toml"})
    rows = {row.name: row.partitions for row in table(Settings(cluster=cluster))}
    assert rows == {"events": 5, "plays": 5} | dict.fromkeys(STAGES, 5) | dict.fromkeys(ALONE, 1)


@pytest.mark.parametrize("row", ROWS.values(), ids=list(ROWS))
def test_every_topic_has_the_brokers_clock_and_an_end(row: Topic) -> None:
    """Retention by an event's own time deletes a replay while it is read; a topic without an end fills a disk."""
    found = row.configs(replication=3)
    assert found["message.timestamp.type"] == "LogAppendTime"
    assert found["compression.type"] == "producer"
    assert found["min.insync.replicas"] == "2"
    assert row.compacted or row.retention_ms > 0
    assert row.compacted == (found["cleanup.policy"] == "compact") == (row.name == CONTROL)
    assert row.segment_bytes >= row.message_bytes
    assert row.message


@pytest.mark.parametrize(("replication", "in_sync"), [(1, "1"), (2, "1"), (3, "2"), (5, "4")])
def test_a_write_stands_on_all_copies_but_one(replication: int, in_sync: str) -> None:
    assert ROWS["events"].configs(replication)["min.insync.replicas"] == in_sync


def test_dead_letters_are_bounded_by_number_as_on_a_folder() -> None:
    settings = Settings()
    assert topic_named(settings, "dead_letters").retention_bytes == settings.log.keep_dead_letters * LETTER_BYTES


def test_a_source_that_has_a_stages_name_is_refused() -> None:
    with pytest.raises(KafkaRefused, match=r"cluster\.sources: control, scored"):
        table(Settings(cluster=Cluster(sources={"events": "", "control": "", "scored": ""})))


def test_a_topic_that_is_not_in_the_table_is_kept_like_a_stages() -> None:
    row = topic_named(Settings(), "elsewhere")
    assert row.configs(1) == topic_named(Settings(), "anchor_events").configs(1)


@pytest.mark.parametrize("namespace", ["blue/", "a b", "é", "x" * 250])
def test_a_name_that_kafka_would_not_take_is_refused(namespace: str) -> None:
    settings = Settings(cluster=Cluster(namespace=namespace))
    with pytest.raises(KafkaRefused, match=r"cluster\.namespace"):
        name(settings, "events")


# --- on a broker


def test_what_is_missing_is_made_as_the_table_says(settings: Settings, admin: KafkaAdminClient) -> None:
    reports = ensure(settings, admin)
    assert {report.status for report in reports} == {"created"}
    rows = {name(settings, row.name): row for row in table(settings)}
    assert found_partitions(admin, list(rows)) == {full: row.partitions for full, row in rows.items()}
    for full, row in rows.items():
        assert row.configs(1).items() <= configs(admin, full).items()


def test_a_second_time_everything_stands_without_a_difference(settings: Settings, admin: KafkaAdminClient) -> None:
    ensure(settings, admin)
    reports = ensure(settings, admin)
    assert [(report.status, report.differences, report.ok) for report in reports] == [("stands", (), True)] * len(
        reports
    )


def test_a_dry_run_makes_nothing(settings: Settings, admin: KafkaAdminClient) -> None:
    reports = ensure(settings, admin, dry_run=True)
    assert {report.status for report in reports} == {"missing"}
    assert all(report.ok for report in reports)
    assert found_partitions(admin, [report.topic for report in reports]) == {}


def test_what_stands_otherwise_is_told_and_left_alone(settings: Settings, admin: KafkaAdminClient) -> None:
    """Another clock or other partitions are fatal to a stage; how long it is kept is somebody's decision."""
    full = name(settings, "anchor_events")
    admin.create_topics({full: {"num_partitions": 3, "replication_factor": 1}}, wait_for_metadata=True)
    change(admin, full, retention_ms="60000", message_timestamp_type="CreateTime", max_message_bytes="99999999")
    report = {report.topic: report for report in ensure(settings, admin)}[full]
    found = {one.what: (one.found, one.wanted, one.fatal) for one in report.differences}
    assert found["partitions"] == ("3", "2", True)
    assert found["message.timestamp.type"] == ("CreateTime", "LogAppendTime", True)
    assert found["retention.ms"] == ("60000", str(settings.log.keep_ms), False)
    assert "max.message.bytes" not in found  # larger is no fault
    assert (report.status, report.ok) == ("stands", False)
    assert found_partitions(admin, [full]) == {full: 3}
    assert configs(admin, full)["retention.ms"] == "60000"


def test_a_source_topic_is_its_owners(settings: Settings, admin: KafkaAdminClient) -> None:
    """Any partitions will do, and what else differs is no reason to fail."""
    full = name(settings, "events")
    admin.create_topics({full: {"num_partitions": 7, "replication_factor": 1}}, wait_for_metadata=True)
    report = {report.topic: report for report in ensure(settings, admin)}[full]
    assert (report.status, report.partitions, report.ok) == ("stands", 7, True)
    assert {one.what for one in report.differences} >= {"message.timestamp.type"}


def test_a_topic_that_brokers_refuse_is_named_with_the_reason(kafka: str, namespace: str) -> None:
    cluster = Cluster(namespace=namespace, replication=3)
    settings = Settings(kafka=Kafka(bootstrap=kafka), cluster=cluster)
    with admin_client(settings.kafka) as admin:
        for dry_run in (True, False):
            reports = ensure(settings, admin, dry_run=dry_run)
            assert {report.status for report in reports} == {"refused"}
            assert all("cluster.replication" in report.fault and not report.ok for report in reports)


def test_a_topic_that_somebody_else_makes_meanwhile_stands(settings: Settings, admin: KafkaAdminClient) -> None:
    row = topic_named(settings, EXAMPLES)
    assert [make(settings, admin, row).status for _ in range(2)] == ["created", "stands"]


@pytest.mark.parametrize("call", [admin_client])
def test_without_a_broker_it_says_so_at_once(call: Callable[[Kafka], object]) -> None:
    with pytest.raises(KafkaAway, match="no broker answers"):
        call(Kafka(bootstrap="127.0.0.1:1"))
