"""Settings of the cluster: Kafka, the Redis store, the stages' workers, the registry of models. See `settings`.

Absent addresses mean that there is no cluster: commands work on a data folder then.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

Ms = Annotated[int, Meta(ge=0)]


class Kafka(Struct, frozen=True, forbid_unknown_fields=True):
    """The event log of a cluster."""

    bootstrap: Annotated[
        str, Meta(description="brokers as host:port, by commas; empty means no cluster. RTREC_KAFKA sets it too")
    ] = ""
    security: Annotated[
        Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"],
        Meta(description="how brokers are spoken to; plain text is for a network of one's own"),
    ] = "PLAINTEXT"
    sasl_mechanism: Annotated[
        Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"], Meta(description="how the user name is proved, with SASL")
    ] = "SCRAM-SHA-512"
    username: Annotated[str, Meta(description="SASL user; empty means none")] = ""
    password: Annotated[str, Meta(description="SASL password; better given as RTREC_KAFKA_PASSWORD than in a file")] = (
        ""
    )
    cafile: Annotated[
        str,
        Meta(description="PEM file of authorities that brokers' certificates are checked with; empty: the system's"),
    ] = ""
    certfile: Annotated[str, Meta(description="PEM file of the client's certificate; empty means none")] = ""
    keyfile: Annotated[str, Meta(description="PEM file of the client's key; empty means none")] = ""


class Redis(Struct, frozen=True, forbid_unknown_fields=True):
    """The state store of a cluster: Redis 6.2 or newer, or Valkey; standalone or Redis Cluster, which is recognised."""

    url: Annotated[
        str,
        Meta(
            description="redis://user:password@host:port/db, rediss:// with TLS; empty means no cluster. RTREC_REDIS sets it too"
        ),
    ] = ""
    cafile: Annotated[str, Meta(description="PEM file of authorities for rediss://; empty: the system's")] = ""
    timeout_ms: Annotated[
        int, Meta(ge=100, description="milliseconds a call may take before the store counts as away; a commit takes 5")
    ] = 5_000


class Cluster(Struct, frozen=True, forbid_unknown_fields=True):
    """The stages' workers on Kafka and Redis."""

    namespace: Annotated[
        str,
        Meta(
            max_length=64,
            description="put before every topic, group and key, so that systems can share brokers; empty means nothing",
        ),
    ] = ""
    partitions: Annotated[
        int,
        Meta(
            ge=1,
            le=1_024,
            description="partitions of the stages' topics: the most workers of a stage that share its work. Two for each that is "
            "foreseen: a worker's cost grows with its partitions, and a change needs a rebuild",
        ),
    ] = 2
    replication: Annotated[
        int,
        Meta(ge=1, le=9, description="copies of each topic that `rtrec topics create` asks for; 3 outlive a broker"),
    ] = 1
    sources: Annotated[
        dict[str, str],
        Meta(description="source topics, each with the file of its mapping; an empty name: it holds our events"),
    ] = field(default_factory=lambda: {"events": ""})
    batch_events: Annotated[
        int,
        Meta(
            ge=1,
            le=200_000,
            description="most events in a micro-batch of one partition; larger ones touch an anchor once for more events",
        ),
    ] = 20_000
    session_timeout_ms: Annotated[
        int,
        Meta(ge=1_000, description="milliseconds without a heartbeat after which a worker's partitions go to others"),
    ] = 10_000
    drain_ms: Annotated[
        Ms,
        Meta(description="milliseconds a worker that is told to end may take to finish its turns; 8 s stay under 10"),
    ] = 8_000
    stall_ms: Annotated[
        int,
        Meta(
            ge=5_000,
            description="milliseconds without progress while there is lag after which a worker restarts itself",
        ),
    ] = 60_000
    quiet_ms: Annotated[
        Ms,
        Meta(
            description="milliseconds without an event after which due labels are decided by the wall clock; 0: never"
        ),
    ] = 1_000


class Registry(Struct, frozen=True, forbid_unknown_fields=True):
    """Where models and the learner's snapshots are kept: any fsspec URL that learner and scorers reach."""

    url: Annotated[
        str,
        Meta(
            min_length=1, description="a folder, or file://, s3://, gs://, …; a cluster of machines needs a shared one"
        ),
    ] = "registry"
    snapshot_ms: Annotated[
        int,
        Meta(ge=100, description="milliseconds between the learner's snapshots; a new learner repeats at most that"),
    ] = 30_000
    snapshots_kept: Annotated[
        int, Meta(ge=2, description="snapshots kept; a damaged newest one falls back to the one before")
    ] = 3


class Archive(Struct, frozen=True, forbid_unknown_fields=True):
    """Where the archive stage keeps examples as Parquet files."""

    url: Annotated[str, Meta(min_length=1, description="a folder, or file://, s3://, gs://, …")] = "archive"
    flush_ms: Annotated[int, Meta(ge=100, description="milliseconds between two files; fewer make many small ones")] = (
        60_000
    )
    flush_messages: Annotated[
        int, Meta(ge=1, description="messages of `examples` that make a file before its time")
    ] = 5_000
