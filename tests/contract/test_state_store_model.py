"""The state store's contract once more, against a model: any history of leases and commits."""

from collections.abc import Mapping
from itertools import count

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rtrec.ports import Owner, StateStore, Verdict
from rtrec.stages.effects import Writes

FRESH = count()

Inputs = Mapping[str, tuple[int, int]]

keys = st.sampled_from(["a", "b", "c", "d"])
turns = st.tuples(
    st.sampled_from(["acquire", "commit", "zombie"]),
    st.dictionaries(st.sampled_from(["x", "y"]), st.tuples(st.integers(-2, 2), st.integers(0, 3)), max_size=2),
    st.builds(
        Writes,
        puts=st.dictionaries(keys, st.none() | st.binary(max_size=4), max_size=3),
        ranks=st.dictionaries(keys, st.none() | st.floats(allow_nan=False), max_size=3),
    ),
)


def judged(inputs: Inputs, stood: Mapping[str, int]) -> Verdict:
    """The rules once more, in the words of the port."""
    if not any(first < next_ for first, next_ in inputs.values()):
        return Verdict.OK
    if all(next_ <= stood.get(topic, 0) for topic, (_, next_) in inputs.items()):
        return Verdict.DUPLICATE
    if any(first > stood.get(topic, 0) for topic, (first, _) in inputs.items()):
        return Verdict.GAP
    return Verdict.OVERLAP if any(f < stood.get(t, 0) for t, (f, _) in inputs.items()) else Verdict.OK


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=st.lists(turns, max_size=12))
def test_any_history_ends_as_a_dictionary_would(
    store: StateStore, history: list[tuple[str, dict[str, tuple[int, int]], Writes]]
) -> None:
    owner = Owner("model", next(FRESH))
    epoch = store.acquire(owner).epoch
    records: dict[str, bytes] = {}
    ranks: dict[str, float] = {}
    stood: dict[str, int] = {}
    for action, spans, writes in history:
        inputs = {}
        for topic, (shift, length) in spans.items():
            first = max(0, stood.get(topic, 0) + shift)
            inputs[topic] = (first, first + length)
        if action == "acquire":
            lease = store.acquire(owner)
            assert (lease.epoch, lease.offsets) == (epoch + 1, stood)
            epoch = lease.epoch
        elif action == "zombie":
            assert store.commit(owner, epoch - 1, inputs, writes) is Verdict.FENCED
        else:
            verdict = judged(inputs, stood)
            assert store.commit(owner, epoch, inputs, writes) is verdict
            if verdict is Verdict.OK:
                records = {k: v for k, v in (records | writes.puts).items() if v is not None}
                ranks = {m: s for m, s in (ranks | writes.ranks).items() if s is not None}
                stood |= {topic: next_ for topic, (first, next_) in inputs.items() if next_ > first}
    assert list(store.scan(owner)) == sorted(records.items())
    assert store.get(owner, ["a", "b", "c", "d"]) == [records.get(key) for key in "abcd"]
    assert store.top(owner, 9) == sorted(ranks.items(), key=lambda rank: (-rank[1], rank[0]))
    assert store.offsets(owner) == stood
