"""The stages of a cluster in one table: what each reads, who its owners are, and what works for one of them."""

from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from rtrec.mapping_io import load_mapping
from rtrec.ports import Owner
from rtrec.runtime.cluster.archive_worker import ArchiveWorker
from rtrec.runtime.cluster.heat_worker import HeatWorker
from rtrec.runtime.cluster.hop_worker import HopWorker
from rtrec.runtime.cluster.io import Io
from rtrec.runtime.cluster.label_worker import LabelWorker
from rtrec.runtime.cluster.learn_worker import OWNER as LEARN
from rtrec.runtime.cluster.learn_worker import LearnWorker
from rtrec.runtime.cluster.snapshots import Snapshots
from rtrec.runtime.cluster.worker import Worker
from rtrec.settings import Settings
from rtrec.stages.hops.heat import USER_EVENTS, HeatHop
from rtrec.stages.hops.ingest import ANCHOR_EVENTS, IngestHop, Mapper
from rtrec.stages.hops.label import EXAMPLES, SCORED, TICKS, LabelHop
from rtrec.stages.hops.profile import CONTROL, PROFILED, ProfileHop


class Where(NamedTuple):
    """What a worker is made for: a partition of a topic, the log's first offset there, and where reading begins."""

    topic: str
    partition: int
    log_start: int
    begins: int


class Stage(NamedTuple):
    """topics: of the settings, the main topics. owner: of a (topic, partition). make: its worker.

    sides: side topics of a partition, with the partition read of each. linger_ms: how long a fetch waits for more while
    events come. A turn costs milliseconds of processor however few events it has; a score waits for the first two.
    """

    topics: Callable[[Settings], tuple[str, ...]]
    owner: Callable[[str, int], Owner]
    make: Callable[[Where, Io], Worker]
    sides: Callable[[int], dict[str, int]] = lambda _partition: {}
    linger_ms: int = 250


def _ingest_owner(topic: str, partition: int) -> Owner:
    return Owner(f"ingest.{topic}", partition)


def _ingest(where: Where, io: Io) -> Worker:
    file = io.settings.cluster.sources[where.topic]
    mapper: Mapper | None = load_mapping(Path(file)).apply if file else None
    return HopWorker(
        _ingest_owner(where.topic, where.partition), where.topic, where.begins,
        lambda: IngestHop(io.settings, where.topic, where.partition, mapper), {}, io, may_have_holes=True,
    )  # fmt: skip


def _heat(where: Where, io: Io) -> Worker:
    owner = Owner("heat", where.partition)
    return HeatWorker(owner, where.topic, where.begins, lambda: HeatHop(io.settings, where.partition), {}, io)


def _profile(where: Where, io: Io) -> Worker:
    owner = Owner("profile", where.partition)
    sides = STAGES["profile"].sides(where.partition)
    return HopWorker(owner, where.topic, where.begins, lambda: ProfileHop(io.settings, where.partition), sides, io)


def _label(where: Where, io: Io) -> Worker:
    owner = Owner("label", where.partition)
    sides = STAGES["label"].sides(where.partition)
    return LabelWorker(owner, where.topic, where.begins, lambda: LabelHop(io.settings, where.partition), sides, io)


def _learn(where: Where, io: Io) -> Worker:
    snapshots = Snapshots(io.settings.registry, io.settings.cluster.namespace)
    return LearnWorker(where.begins, where.log_start, snapshots, io)


def _archive(where: Where, io: Io) -> Worker:
    return ArchiveWorker(where.begins, where.log_start, io)


STAGES: Final[dict[str, Stage]] = {
    "ingest": Stage(lambda settings: tuple(settings.cluster.sources), _ingest_owner, _ingest, linger_ms=40),
    "heat": Stage(lambda _: (ANCHOR_EVENTS,), lambda _, partition: Owner("heat", partition), _heat, linger_ms=40),
    "profile": Stage(
        lambda _: (USER_EVENTS,), lambda _, partition: Owner("profile", partition), _profile, lambda _: {CONTROL: 0}
    ),
    "label": Stage(
        lambda _: (PROFILED,), lambda _, partition: Owner("label", partition), _label,
        lambda partition: {CONTROL: 0, SCORED: partition, TICKS: partition},
    ),
    "learn": Stage(lambda _: (EXAMPLES,), lambda _, __: LEARN, _learn, lambda _: {CONTROL: 0}),
    "archive": Stage(lambda _: (EXAMPLES,), lambda _, __: Owner("archive", 0), _archive),
}  # fmt: skip
"""Every stage by its name, which is also its group's (after `rtrec-`)."""
