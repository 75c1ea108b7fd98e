"""Checks 5, 6 and 7: weights bit for bit, at the learner and at a scorer; the archive; the brokers' offsets."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from msgspec import msgpack

from rtrec.features.vector import ROW
from rtrec.learning import snapshot as snapshots
from rtrec.learning.weights import ScorerWeights
from rtrec.learning.weights_wire import Arriving
from rtrec.settings import HEADS
from rtrec.stages import learn
from tests.cluster.check_labels import flat
from tests.cluster.standing import MAIN, Rec, Standing


def in_order(records: Sequence[Rec]) -> list[bytes]:
    """Messages of `examples` in the order of the topic, each owner's next number and no other."""
    due: dict[int, int] = {}
    taken = []
    for record in records:
        owner, number = msgpack.decode(record.header or b"", type=tuple[int, int])
        if number == due.get(owner, 0):
            due[owner] = number + 1
            taken.append(record.value)
    return taken


def offline(standing: Standing, records: Sequence[Rec]) -> learn.LearnState:
    """What one pass over `examples` learns."""
    state = learn.LearnState(standing.settings.labels.heads, standing.settings.learner)
    for message in in_order(records):
        learn.learn(state, message)
    return state


def snapshot(standing: Standing, registry: Path, state: learn.LearnState, records: Sequence[Rec]) -> Iterator[str]:
    """The snapshot that the store names is of the topic's end, and holds what one pass learns, bit for bit."""
    (named,) = standing.store.get(standing.owner("learn", 0), ["snapshot"])
    file = registry / standing.namespace / "learn" / (named or b"?").decode()
    if not file.exists():
        yield f"the store names the snapshot {named!r}; there are {sorted(one.name for one in file.parent.glob('*'))}"
        return
    kept = snapshots.decode(file.read_bytes())
    wanted = records[-1].offset + 1, state.examples
    if (kept.next_offset, kept.examples) != wanted:
        yield f"it is of (offset, examples) {kept.next_offset, kept.examples}, expected {wanted}"
    if kept.image != state.model.encode_slots(state.model.slots()):
        held = learn.LearnState(standing.settings.labels.heads, standing.settings.learner)
        held.restore(kept.policy, kept.image, kept.progress, kept.examples)
        ours, theirs = set(state.model.slots().tolist()), set(held.model.slots().tolist())
        both = np.array(sorted(ours & theirs), np.int64)
        wrong = both[(state.model.weights_of(both) != held.model.weights_of(both)).any(axis=1)]
        yield f"weights differ in {len(wrong)} of {len(both)} slots; {len(ours ^ theirs)} slots are in one only"


def scorer(state: learn.LearnState, updates: Sequence[Rec]) -> Iterator[str]:
    """A scorer that reads `weights` from the start ends at the same weights, and takes no lower version."""
    held, arriving = ScorerWeights(len(state.heads), state.policy.slots_log2), Arriving()
    epochs, newest = set(), -1
    for record in updates:
        update = arriving.add(record.value)
        if update is None:
            continue
        epochs.add(update.epoch)
        applied = held.apply(update)
        if applied and update.epoch < newest:
            yield f"weights of epoch {update.epoch} were taken after those of epoch {newest}"
        newest = max(newest, update.epoch)
    slots = state.model.slots()
    wrong = (held._weights[slots] != state.model.weights_of(slots)).any(axis=1)
    if wrong.any() or not np.array_equal(held._bias, state.model.bias()):
        yield f"a scorer differs in {int(wrong.sum())} of {len(slots)} slots, after epochs {sorted(epochs)}"
    beyond = np.setdiff1d(np.flatnonzero(held._weights.any(axis=1)), slots)
    if len(beyond):
        yield f"a scorer has weights of {len(beyond)} slots that nobody learned"
    if held.version is None or held.version[1] != state.examples:
        yield f"a scorer ends at version {held.version}, expected {state.examples} examples"


def archive(standing: Standing, url: Path, records: Sequence[Rec]) -> Iterator[str]:
    """The Parquet files hold the examples, each once, in the order of the topic within each day."""
    wanted: dict[str, list[tuple[object, ...]]] = {}
    for message in in_order(records):
        for head, label, weight, position, ts_ms, row in flat(message):
            day = f"day={np.datetime64(ts_ms, 'ms').astype('datetime64[D]')}"
            one = np.frombuffer(row, ROW)[0]
            ids = int(one["user"]), int(one["anchor"]), int(one["as_of_ms"])
            wanted.setdefault(day, []).append((HEADS[head], label, weight, position, ts_ms, *ids))
    got: dict[str, list[tuple[object, ...]]] = {}
    names = ("head", "label", "weight", "position", "ts_ms", "user", "anchor", "as_of_ms")
    for file in sorted((url / standing.namespace / "examples").glob("day=*/*.parquet")):
        table = pq.read_table(file, columns=list(names), partitioning=None)
        got.setdefault(file.parent.name, []).extend(zip(*(table[name].to_pylist() for name in names), strict=True))
    for day in sorted({*wanted, *got}):
        if got.get(day) != wanted.get(day):
            yield f"{day}: {len(got.get(day, []))} rows, expected {len(wanted.get(day, []))}, or in another order"


def committed(stores: Mapping[str, list[int]], brokers: Mapping[str, list[int]]) -> Iterator[str]:
    """What brokers were told is not beyond the store."""
    for stage in MAIN:
        if any(told > stands for told, stands in zip(brokers[stage], stores[stage], strict=True)):
            yield f"{stage}: the brokers were told {brokers[stage]}, the store stands at {stores[stage]}"
