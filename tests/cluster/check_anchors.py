"""Checks 1 and 2: every event once where it belongs, every refused one a dead letter, every anchor by brute force."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from hashlib import sha256

from xxhash import xxh3_64_intdigest

from rtrec.features.anchor_json import anchor_json
from rtrec.features.heat_rules import heat_rules
from rtrec.ranking.hot import hottest
from rtrec.runtime.anchor_view import AnchorView
from rtrec.stages.dead_letters import DeadLetter
from rtrec.stages.heat import newest_of
from tests.cluster.standing import Rec, Standing
from tests.cluster.topics import Met
from tests.oracle.anchors import Partition
from tests.oracle.compare import differences, hot_differences
from tests.oracle.passed import Passed
from tests.oracle.rules import Event

LATER_MS = (0, 7_000, 100_000, 4_000_000)
HOTTEST = (5, 100)


def partition_of(event: Event, partitions: int) -> int:
    """Where an event belongs, whoever produced it."""
    name = event["user_id"] if event["type"] == "user_profile" else event["anchor_id"]
    return (xxh3_64_intdigest(str(name).encode()) or 1) % partitions


def ingested(
    events: Sequence[Sequence[Rec]], bad: set[bytes], met: Sequence[Sequence[Met]], letters: dict[str, DeadLetter]
) -> Iterator[str]:
    """Check 1: what is in `events` is in `anchor_events` or in `dead_letters`, once, in its place."""
    found = {(one.source, one.position): (number, one.line) for number, part in enumerate(met) for one in part}
    if len(found) != sum(map(len, met)):
        yield f"{sum(map(len, met)) - len(found)} events stand in two partitions of anchor_events"
    for number, records in enumerate(events):
        for record in records:
            place = f"events:{number}:{record.offset}"
            stands, letter = found.pop((f"events:{number}", record.offset), None), letters.get(place)
            if record.value in bad:
                yield from _refused(place, record, letter)
                if stands is not None:
                    yield f"{place} is no event, and in anchor_events: {record.value[:80]!r}"
            elif stands is None:
                yield f"{place} is lost: {record.value[:120]!r}, dead letter: {letter and letter.reason}"
            elif stands != (partition_of(json.loads(record.value), len(met)), record.value):
                yield f"{place} stands in anchor_events:{stands[0]} as {stands[1][:120]!r}"
    for (source, position), (number, line) in found.items():
        yield f"{source}:{position} in anchor_events:{number} is not in events: {line[:120]!r}"


def _refused(place: str, record: Rec, letter: DeadLetter | None) -> Iterator[str]:
    if letter is None:
        yield f"{place} is no event, and not among the dead letters: {record.value[:80]!r}"
    elif not letter.reason or (letter.length, letter.sha256) != (len(record.value), sha256(record.value).digest()):
        yield f"the dead letter of {place} tells of {letter.length} bytes: {letter.reason!r}"


class Judged:
    """The oracle's word on a partition of `anchor_events`: verdicts by (source, position), and what goes on."""

    def __init__(self, met: Sequence[Met]) -> None:
        self.oracle = Partition()
        self.verdicts: dict[tuple[str, int], str] = {}
        self.passed: dict[int, Passed] = {}
        for one in met:
            outcome = self.oracle.take(json.loads(one.line))
            self.verdicts[one.source, one.position] = outcome.verdict
            if outcome.passed is not None:
                self.passed[one.at] = outcome.passed


def refused_by_heat(
    judged: Sequence[Judged], letters: dict[str, DeadLetter], events: Sequence[Sequence[Rec]], bad: set[bytes]
) -> Iterator[str]:
    """Dead letters of good events are exactly those that the oracle refuses, by the right reason."""
    verdicts = {f"{place[0]}:{place[1]}": verdict for one in judged for place, verdict in one.verdicts.items()}
    for place, verdict in verdicts.items():
        letter = letters.get(place)
        refused = verdict in ("too_late", "unknown_reversal")
        if refused != (letter is not None) or (letter is not None and verdict not in letter.reason):
            yield f"{place} is {verdict}, dead letter: {letter and letter.reason}"
    lines = {f"events:{n}:{record.offset}": record.value for n, part in enumerate(events) for record in part}
    for place in letters:
        if place not in lines:
            yield f"the dead letter of {place} has no original"
        elif lines[place] not in bad and place not in verdicts:
            yield f"the dead letter of {place} is of an event that HEAT never met"


def anchors(standing: Standing, judged: Sequence[Judged]) -> Iterator[str]:
    """Check 2: every anchor at several times, and who is hottest, by the records in the store."""
    for number, one in enumerate(judged):
        yield from (f"partition {number}: {fault}" for fault in _partition(standing, number, one.oracle))


def _partition(standing: Standing, number: int, oracle: Partition) -> Iterator[str]:
    owner, settings = standing.owner("heat", number), standing.settings
    (meta,) = standing.store.get(owner, ["meta"])
    newest_ms = oracle.newest_ms
    if newest_ms is None or meta is None:
        if (newest_ms, meta) != (None, None):
            yield f"newest event time {newest_ms}, meta {meta!r}"
        return
    if newest_of(meta) != newest_ms:
        yield f"newest event time {newest_of(meta)}, expected {newest_ms}"
    view = AnchorView(heat_rules(settings.heat, settings.events, settings.features))
    view.apply({key: value for key, value in standing.store.scan(owner) if key.startswith(("a/", "m/"))}, newest_ms)
    if extra := set(view.table.slots) - set(oracle.anchors):
        yield f"anchors that nobody has heard of: {sorted(extra)[:3]}"
    for at_ms in (newest_ms + later_ms for later_ms in LATER_MS):
        for anchor_id in oracle.anchors:
            place = view.table.slots.get(anchor_id)
            answer = None
            if place is not None:
                rows = view.table.rows[place : place + 1].copy()
                answer = anchor_json(anchor_id, rows, view.words(anchor_id), view.rules, at_ms, newest_ms)
            faults = differences(answer, oracle.show(anchor_id, at_ms))
            yield from (f"{anchor_id} at newest + {at_ms - newest_ms}: {fault}" for fault in faults)
        for n in HOTTEST:
            yield from (
                f"hot({n}): {fault}"
                for fault in hot_differences(_hot(standing, view, number, n, at_ms), oracle, n, at_ms)
            )


def _hot(standing: Standing, view: AnchorView, number: int, n: int, at_ms: int) -> dict[str, list[dict[str, object]]]:
    def look(names: Sequence[str]) -> list[float | None]:
        heats, live = view.heats(view.places(names), at_ms)
        return [heat if alive else None for heat, alive in zip(heats.tolist(), live.tolist(), strict=True)]

    ranking = standing.store.top(standing.owner("heat", number), 1 << 20)
    return {"anchors": [{"anchor_id": name, "heat": heat} for name, heat in hottest([ranking], look, n)]}


def outcomes(judged: Sequence[Judged]) -> Counter[str]:
    """How many events had which verdict."""
    return sum((Counter(one.verdicts.values()) for one in judged), Counter[str]())
