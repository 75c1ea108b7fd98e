"""All checks of a run that has ended, over the topics' content, the store, the registry and the archive."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from tests.cluster import check_anchors, check_labels, check_learning, check_users, topics
from tests.cluster.standing import MAIN, Standing

T = TypeVar("T")


class Result(NamedTuple):
    """found: what is wrong, by check; nothing is an empty list. figures: what there was."""

    found: dict[str, list[str]]
    figures: dict[str, object]


def check(standing: Standing, bad: set[bytes], registry: Path, archive: Path) -> Result:
    """Look at everything. bad: the lines that are no events."""
    found: dict[str, list[str]] = {"what is sent again is the same": []}
    figures: dict[str, object] = {}
    again = found["what is sent again is the same"]
    events = standing.read("events")
    letters = topics.dead_letters(standing.read("dead_letters")[0], again)
    met, in_met = _parts(topics.anchor_events(part, again) for part in standing.read("anchor_events"))
    handed, in_handed = _parts(topics.handed("user_events", part, again) for part in standing.read("user_events"))
    through, in_through = _parts(topics.handed("profiled", part, again) for part in standing.read("profiled"))
    records = standing.read("examples")[0]
    messages = topics.examples(records, again)

    found["1. every event once where it belongs"] = [*check_anchors.ingested(events, bad, met, letters)]
    judged = [check_anchors.Judged(part) for part in met]
    found["1. dead letters of good events"] = [*check_anchors.refused_by_heat(judged, letters, events, bad)]
    found["2. anchors"] = [*check_anchors.anchors(standing, judged)]
    found["3. what is handed on"] = [*check_users.handed_on(judged, handed)]
    found["3. users"] = [*check_users.users(standing, judged, handed)]
    found["4. what passes through PROFILE"] = [*check_labels.profiled(handed, through)]
    found["4. examples of one pass"] = [*check_labels.replayed(standing, through, messages)]
    found["4. conservation"] = [*check_labels.conserved(standing, judged, messages)]
    state = check_learning.offline(standing, records)
    found["5. the snapshot"] = [*check_learning.snapshot(standing, registry, state, records)]
    found["5. a scorer"] = [*check_learning.scorer(state, standing.read("weights")[0])]
    found["6. the archive"] = [*check_learning.archive(standing, archive, records)]
    stores = {stage: standing.offsets(stage) for stage in MAIN}
    brokers = {stage: standing.committed(stage) for stage in MAIN}
    found["7. the brokers' offsets"] = [*check_learning.committed(stores, brokers)]

    figures["lines in events"] = sum(map(len, events))
    figures["verdicts"] = dict(check_anchors.outcomes(judged))
    figures["events that stand again"] = {
        "anchor_events": in_met, "user_events": in_handed, "profiled": in_through,
    }  # fmt: skip
    figures["dead letters"] = len(letters)
    figures["anchors"] = sum(len(one.oracle.anchors) for one in judged)
    figures["users' events"] = sum(map(len, handed))
    figures["messages of examples"] = f"{sum(map(len, messages.values()))}, {len(records)} on the topic"
    figures["outcomes"] = _outcomes(standing)
    figures["examples learned"] = state.examples
    figures["mismatches"] = sum(map(len, found.values()))
    return Result(found, figures)


def _parts(read: Iterable[tuple[list[T], int]]) -> tuple[list[list[T]], int]:
    """Partitions of a topic, and how many events stand again in all of them."""
    parts = [*read]
    return [part for part, _ in parts], sum(repeated for _, repeated in parts)


def _outcomes(standing: Standing) -> dict[str, int]:
    counts, _ = check_labels.stored(standing)
    return dict(sorted(counts.items()))


def differences(found: dict[str, list[str]], shown: int = 3) -> Iterator[str]:
    """The first differences of each check that found some."""
    for name, faults in found.items():
        if faults:
            yield f"{name}: {len(faults)}"
            yield from (f"    {fault[:1_500]}" for fault in faults[:shown])


def idle(figures: dict[str, object]) -> Sequence[str]:
    """What a run has to have had to show anything."""
    outcomes = figures["outcomes"]
    assert isinstance(outcomes, dict)
    wanted = [f"{head}/{outcome}" for head in ("click", "long_view", "gift") for outcome in ("positive", "negative")]
    missing = [one for one in wanted if not outcomes.get(one)]
    missing += [] if figures["commits of zombies refused"] else ["refused commit of a zombie"]
    return [f"no {one}: nothing is shown of it" for one in missing]
