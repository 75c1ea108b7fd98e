"""Check 4: examples are what one pass over the events decides, each once; every impression has its outcome."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby, zip_longest

import numpy as np
from msgspec import msgpack

from rtrec.features.vector import ROW
from rtrec.labels.exposure import Example
from rtrec.settings import HEADS
from rtrec.stages import label
from rtrec.stages.learn import ExampleChunk
from tests.cluster.check_anchors import Judged
from tests.cluster.standing import Standing
from tests.cluster.topics import Handed

Flat = tuple[int, int, float, int, int, bytes]
"""An example: head, label, weight, position, ts_ms, row."""


def flat(message: bytes) -> list[Flat]:
    """The examples of a message."""
    chunk = msgpack.decode(message, type=ExampleChunk)
    size = ROW.itemsize
    return list(
        zip(
            chunk.heads, chunk.labels, np.frombuffer(chunk.weights, "<f8").tolist(),
            np.frombuffer(chunk.positions, "<i8").tolist(), np.frombuffer(chunk.ts_ms, "<i8").tolist(),
            [chunk.rows[first : first + size] for first in range(0, len(chunk.rows), size)], strict=True,
        )
    )  # fmt: skip


def profiled(met: Sequence[Sequence[Handed]], through: Sequence[Sequence[Handed]]) -> Iterator[str]:
    """`profiled` holds exactly the events of `user_events`, in their order."""
    for number, (events, passed) in enumerate(zip(met, through, strict=True)):
        wanted = [(one.at, one.line) for one in events]
        for place, (want, got) in enumerate(zip_longest(wanted, [(one.position, one.line) for one in passed])):
            if want != got:
                yield f"profiled:{number} has {got} at place {place}, expected {want}"


def replayed(
    standing: Standing, through: Sequence[Sequence[Handed]], messages: Mapping[int, Sequence[bytes]]
) -> Iterator[str]:
    """One pass of LABEL over each partition of `profiled` makes the same examples, byte for byte, in their order."""
    for number, events in enumerate(through):
        state, wanted = label.LabelState(standing.settings.labels), list[Flat]()
        for _, group in groupby(events, lambda one: id(one.chunk)):
            some = [*group]
            inputs = some[0].chunk.profiled()
            _, made = label.label(state, [inputs[one.place] for one in some])
            wanted += map(_flat, made)
        got = [one for message in messages.get(number, ()) for one in flat(message)]
        for place, pair in enumerate(zip_longest(wanted, got)):
            if pair[0] != pair[1]:
                yield f"label:{number}, example {place}: {_shown(pair[1])}, expected {_shown(pair[0])}"


def _flat(one: Example) -> Flat:
    return one.head, one.label, one.weight, -1 if one.position is None else one.position, one.ts_ms, one.row


def _shown(one: Flat | None) -> str:
    return "none" if one is None else f"{HEADS[one[0]]}={one[1]} of position {one[3]} at {one[4]}"


def conserved(standing: Standing, judged: Sequence[Judged], messages: Mapping[int, Sequence[bytes]]) -> Iterator[str]:
    """No impression and head has two examples; counted outcomes, examples and what still waits add up."""
    impressions = Counter(
        passed.event["position"]
        for one in judged
        for passed in one.passed.values()
        if passed.event["type"] == "impression"
    )
    examples = [one for mine in messages.values() for message in mine for one in flat(message)]
    for (position, head), times in Counter((one[3], one[0]) for one in examples).items():
        if times > impressions[position]:
            yield f"{times} examples of {HEADS[head]} for impression {position}, met {impressions[position]} times"
    counts, waiting = stored(standing)
    on_topic = Counter(f"{HEADS[head]}/{'positive' if label_ else 'negative'}" for head, label_, *_ in examples)
    counted = Counter({name: n for name, n in counts.items() if name.endswith(("/positive", "/negative"))})
    if on_topic != counted:
        yield f"counted {dict(counted)}, on the topic are {dict(on_topic)}"
    for left_out in ("no_features", "overflow_user", "overflow_total", "erased"):
        if counts[left_out]:
            yield f"{counts[left_out]} {left_out}, which this stream has none of"
    for name in standing.settings.labels.heads:
        decided = sum(counts[f"{name}/{outcome}"] for outcome in ("positive", "negative", "masked"))
        if decided + waiting[name] != impressions.total():
            yield f"{name}: {decided} decided and {waiting[name]} open of {impressions.total()} impressions"


def stored(standing: Standing) -> tuple[Counter[str], Counter[str]]:
    """(counts since the beginning, open exposures by head) of all label partitions in the store."""
    counts, waiting = Counter[str](), Counter[str]()
    for number in range(standing.partitions):
        for key, value in standing.store.scan(standing.owner("label", number)):
            if key == "meta":
                counts.update(msgpack.decode(value[1:])[2])
            elif key.startswith("p/"):
                for exposure in msgpack.decode(value[1:])[0]:
                    waiting.update(name for bit, name in enumerate(HEADS) if exposure[7] >> bit & 1)
    return counts, waiting
