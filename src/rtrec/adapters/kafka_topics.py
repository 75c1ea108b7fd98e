"""The topics of a cluster: one table of what each is and how it is kept, and making what is missing of it.

Rules
-----
- Every topic has `message.timestamp.type=LogAppendTime`. A record's time is then when the broker took it: Kafka's
  retention goes by it (with event times, a replay of old events was deleted while it was being read), lag in
  seconds is measured by it, and `events.future_ms` compares with it.
- The stages' topics have `cluster.partitions` each, because an owner keeps one partition number over all its
  inputs; a source topic has what its producers want; order over all is needed of the others: one.
- `compression.type=producer`: what a producer compressed is kept as it is, and not compressed again.
- `ensure` makes what is missing. It never changes a topic that stands: fewer partitions, another clock or less
  time may be somebody's decision, and repartitioning a stage needs a rebuild. It says what differs instead.
- Names carry `cluster.namespace` in front, as given. Only `name` puts it there.
"""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from rtrec.adapters.kafka_faults import KafkaRefused, probe_now
from rtrec.adapters.kafka_settings import for_aiokafka, for_kafka_python
from rtrec.settings import Settings
from rtrec.settings_cluster import Kafka

if TYPE_CHECKING:
    from kafka import KafkaAdminClient

ANCHOR_EVENTS: Final = "anchor_events"
USER_EVENTS: Final = "user_events"
PROFILED: Final = "profiled"
SCORED: Final = "scored"
TICKS: Final = "ticks"
EXAMPLES: Final = "examples"
WEIGHTS: Final = "weights"
CONTROL: Final = "control"
DEAD_LETTERS: Final = "dead_letters"

_OURS: Final = frozenset(
    {ANCHOR_EVENTS, USER_EVENTS, PROFILED, SCORED, TICKS, EXAMPLES, WEIGHTS, CONTROL, DEAD_LETTERS}
)

MIB: Final = 1 << 20
MESSAGE_BYTES: Final = 16 * MIB
"""The largest message of a stage: a chunk. Brokers take 1 MiB unless a topic says otherwise."""
SOURCE_MESSAGE_BYTES: Final = 4 * MIB
"""An event has 64 KiB at most, but a producer's batch is one message to a broker."""
LETTER_BYTES: Final = 96 * 1024
"""A dead letter at worst: 64 KiB of the original, and who sent it."""
LAG_MS: Final = 86_400_000
HOUR_MS: Final = 3_600_000
FATAL: Final = frozenset({"message.timestamp.type", "cleanup.policy", "max.message.bytes"})
"""Settings that must be the table's: with others messages vanish, are refused, or carry the wrong time."""
_LEGAL: Final = re.compile(r"[a-zA-Z0-9._-]{1,249}")


class Topic(NamedTuple):
    """How a topic is kept; `retention_bytes` is for each partition."""

    name: str
    partitions: int
    message: str
    message_bytes: int = MESSAGE_BYTES
    retention_ms: int = -1
    retention_bytes: int = -1
    segment_bytes: int = 128 * MIB
    segment_ms: int = LAG_MS
    compacted: bool = False
    source: bool = False

    def configs(self, replication: int) -> dict[str, str]:
        """The topic's settings in Kafka's words."""
        kept: dict[str, float] = {"retention.ms": self.retention_ms, "retention.bytes": self.retention_bytes}
        if self.compacted:
            # A key's old records go when a tenth is old, within a day at most; the newest stay for ever.
            kept = {"min.cleanable.dirty.ratio": 0.1, "max.compaction.lag.ms": LAG_MS}
        return {
            "message.timestamp.type": "LogAppendTime",
            "cleanup.policy": "compact" if self.compacted else "delete",
            "compression.type": "producer",
            "max.message.bytes": str(self.message_bytes),
            # With three copies a write stands on two before it is acknowledged; a leader is one that has it.
            "min.insync.replicas": str(max(1, replication - 1)),
            "unclean.leader.election.enable": "false",
            "segment.bytes": str(self.segment_bytes),
            "segment.ms": str(self.segment_ms),
            **{name: str(value) for name, value in kept.items()},
        }


class Difference(NamedTuple):
    """What a standing topic has otherwise than the table. `fatal`: stages cannot be right with it."""

    what: str
    wanted: str
    found: str
    fatal: bool


class TopicReport(NamedTuple):
    """What `ensure` found or did: `status` is stands, created, missing (dry run) or refused."""

    topic: str
    partitions: int
    status: str
    differences: tuple[Difference, ...] = ()
    fault: str = ""

    @property
    def ok(self) -> bool:
        """Whether stages can work with it."""
        return not self.fault and not any(one.fatal for one in self.differences)


def table(settings: Settings) -> tuple[Topic, ...]:
    """Every topic of a cluster, sources first, without the namespace."""
    if taken := _OURS & settings.cluster.sources.keys():
        raise KafkaRefused(f"cluster.sources: {', '.join(sorted(taken))} is a topic of the stages, not a source")
    partitions, keep_ms = settings.cluster.partitions, settings.log.keep_ms
    sources = (
        Topic(name, partitions, "one event", SOURCE_MESSAGE_BYTES, keep_ms, source=True)
        for name in settings.cluster.sources
    )
    letters = settings.log.keep_dead_letters * LETTER_BYTES
    return (
        *sources,
        Topic(ANCHOR_EVENTS, partitions, "a chunk of checked events of this partition's anchors", retention_ms=keep_ms),
        Topic(USER_EVENTS, partitions, "a chunk of accepted events of this partition's users", retention_ms=keep_ms),
        Topic(PROFILED, partitions, "a chunk of events with shadow rows", retention_ms=keep_ms),
        Topic(SCORED, partitions, "one request's logged rows", retention_ms=keep_ms),
        Topic(TICKS, partitions, "a time", MIB, retention_ms=keep_ms),
        Topic(EXAMPLES, 1, "a chunk of examples, with its owner and sequence", retention_ms=keep_ms),
        # A scorer that starts takes the newest snapshot, which is seconds old, and what was published since.
        Topic(WEIGHTS, 1, "an update of weights", MESSAGE_BYTES, HOUR_MS, 1024 * MIB, 64 * MIB, HOUR_MS // 6),
        Topic(CONTROL, 1, "an anchor's whole state, or an erasure", MIB, segment_bytes=16 * MIB, segment_ms=HOUR_MS,
              compacted=True),
        Topic(DEAD_LETTERS, 1, "reason, place, original", MIB, keep_ms, letters, 64 * MIB),
    )  # fmt: skip


def name(settings: Settings, topic: str) -> str:
    """A topic as brokers know it.

    >>> from rtrec.settings_cluster import Cluster
    >>> name(Settings(cluster=Cluster(namespace="blue.")), "events")
    'blue.events'
    """
    full = settings.cluster.namespace + topic
    if not _LEGAL.fullmatch(full) or full in (".", ".."):
        raise KafkaRefused(
            f"{full!r} is no name of a topic: letters, digits, '.', '_' and '-', at most 249; see cluster.namespace "
            "and cluster.sources"
        )
    return full


def topic_named(settings: Settings, topic: str) -> Topic:
    """A topic's row; one like the stages' for a topic that is not in the table."""
    rows = {row.name: row for row in table(settings)}
    return rows.get(topic, Topic(topic, settings.cluster.partitions, "", retention_ms=settings.log.keep_ms))


def admin_client(kafka: Kafka) -> "KafkaAdminClient":
    """A client for administration, once a broker has let us in; KafkaAway or KafkaRefused say why not."""
    from kafka import KafkaAdminClient  # noqa: PLC0415 - 0.3 s, for those who connect

    probe_now(for_aiokafka(kafka))
    return KafkaAdminClient(**for_kafka_python(kafka))


def ensure(settings: Settings, admin: "KafkaAdminClient", *, dry_run: bool = False) -> list[TopicReport]:
    """Make every topic that is missing, and say what stands otherwise than the table.

    Parameters
    ----------
    dry_run: ask the brokers whether they would, and make nothing.
    """
    rows = table(settings)
    standing = found_partitions(admin, [name(settings, row.name) for row in rows])
    configs = _found_configs(admin, list(standing))
    reports = []
    for row in rows:
        full = name(settings, row.name)
        if full not in standing:
            reports.append(make(settings, admin, row, dry_run=dry_run))
            continue
        differences = _differences(row, settings.cluster.replication, standing[full], configs[full])
        reports.append(TopicReport(full, standing[full], "stands", tuple(differences)))
    return reports


def make(settings: Settings, admin: "KafkaAdminClient", row: Topic, *, dry_run: bool = False) -> TopicReport:
    """Make one topic and wait until it can be used; one that somebody else has made by now stands."""
    full, replication = name(settings, row.name), settings.cluster.replication
    wanted = {"num_partitions": row.partitions, "replication_factor": replication, "configs": row.configs(replication)}
    answer = admin.create_topics({full: wanted}, validate_only=dry_run, raise_errors=False)["topics"][0]
    error = _error(answer["error_code"])
    if error == "TopicAlreadyExistsError":
        admin.wait_for_topics([full])
        return TopicReport(full, found_partitions(admin, [full])[full], "stands")
    if error:
        hint = " (cluster.replication)" if error == "InvalidReplicationFactorError" else ""
        return TopicReport(full, row.partitions, "refused", fault=f"{answer['error_message'] or error}{hint}")
    if not dry_run:
        admin.wait_for_topics([full])
    return TopicReport(full, row.partitions, "missing" if dry_run else "created")


def found_partitions(admin: "KafkaAdminClient", topics: Sequence[str]) -> dict[str, int]:
    """How many partitions each of these topics has, of those that stand; raises the client's error for others."""
    from kafka.errors import for_code  # noqa: PLC0415 - with the client

    found = {}
    for one in admin.describe_topics(topics):
        error = _error(one["error_code"])
        if error and error != "UnknownTopicOrPartitionError":
            raise for_code(one["error_code"])(one["name"])
        if not error:
            found[one["name"]] = len(one["partitions"])
    return found


def _found_configs(admin: "KafkaAdminClient", topics: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    """Every setting of these topics that is in force, the brokers' defaults with them."""
    from kafka.admin import ConfigResource  # noqa: PLC0415 - with the client

    if not topics:
        return {}
    found = admin.describe_configs([ConfigResource("TOPIC", topic) for topic in topics], config_filter="all")
    described: Mapping[str, Mapping[str, Any]] = found["topic"]
    return {topic: {key: one["value"] for key, one in described[topic].items()} for topic in topics}


def _differences(row: Topic, replication: int, partitions: int, found: Mapping[str, Any]) -> list[Difference]:
    differences = []
    if partitions != row.partitions and not row.source:
        differences.append(Difference("partitions", str(row.partitions), str(partitions), fatal=True))
    for key, wanted in row.configs(replication).items():
        value = str(found.get(key))
        if value != wanted and not (key == "max.message.bytes" and int(value) > int(wanted)):
            differences.append(Difference(key, wanted, value, fatal=key in FATAL and not row.source))
    return differences


def _error(code: int) -> str:
    """The name of a broker's error; empty for none."""
    from kafka.errors import for_code  # noqa: PLC0415 - with the client

    return str(for_code(code).__name__) if code else ""
