"""Evaluation: stored events through the same stages as live ones, on a store that is thrown away.

Rules
-----
- Prequential: every example is predicted before it is learned from. The figures are the learner's own
  (`learning.progress`), the very ones that a live host reports of the same events.
- The store is an embedded host's in a temporary folder: nothing of it stays, and memory does not grow with the log.
- When the last source has ended, time goes on past every deadline: no impression is left undecided.
- Sources in format `obp` name propensities: what the learnt policy would have shown is estimated beside.
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, Final

from rtrec.events.schema import MAX_TS_MS
from rtrec.ports import NewRecord
from rtrec.runtime.embedded import Embedded
from rtrec.runtime.folder import TICKS
from rtrec.runtime.off_policy import REWARD, OffPolicy
from rtrec.runtime.replay import replay
from rtrec.settings import Settings
from rtrec.sources.source import Source

WITH_PROPENSITIES: Final = frozenset({"obp"})
SHAPE: Final = ("examples", "base_rate", "online", "batch", "blend", "heat_only")
"""A head's keys, in the order of the contract; more may follow."""

Told = Callable[[int], None]
"""Told how many events of a source are done."""
Watch = Callable[[Source, Embedded], AbstractContextManager[Told]]
"""Around one source's replay."""


@contextmanager
def bench(settings: Settings) -> Iterator[Embedded]:
    """A host on a folder that goes with it."""
    with tempfile.TemporaryDirectory(prefix="rtrec-evaluate-") as folder, Embedded.open(Path(folder), settings) as host:
        yield host


def evaluate(
    settings: Settings,
    sources: Sequence[Source],
    *,
    until_ms: int | None = None,
    watch: Watch = lambda source, host: nullcontext(lambda done: None),  # noqa: ARG005 - nobody watches
) -> dict[str, Any]:
    """Replay the sources, one after another, into a store of their own, and report.

    Returns `heads` (figures per head and model), `labels` (outcomes by reason), `dead_letter_reasons`, `replays` (a
    report per source, see `replay`) and, for logs with propensities, `off_policy`.
    """
    with bench(settings) as host:
        logged = any(source.format in WITH_PROPENSITIES for source in sources) and REWARD in settings.labels.heads
        off_policy = OffPolicy(host) if logged else None
        replays = []
        for source in sources:
            with watch(source, host) as told:
                parts = None if off_policy is None else off_policy.parts
                replays.append(replay(host, source, until_ms=until_ms, parts=parts, progress=told))
        decide_all(host)
        report = {
            "heads": heads_of(host),
            "replays": replays,
            "labels": dict(sorted(host.journey.label.counts.items())),
        }
        report["dead_letter_reasons"] = dict(host.reasons.most_common())
        return report | ({} if off_policy is None else {"off_policy": off_policy.report()})


def decide_all(host: Embedded) -> None:
    """Let time go on until no label is pending."""
    host.append(TICKS, [NewRecord(str(MAX_TS_MS).encode())], durable=False)
    host.drain()


def heads_of(host: Embedded) -> dict[str, Any]:
    """The learner's figures per head; models that there are not are None."""
    heads: dict[str, Any] = host.journey.learn.progress.report()["heads"]
    return {name: {key: figures.get(key) for key in SHAPE} | figures for name, figures in heads.items()}
