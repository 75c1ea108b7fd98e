"""The state store's contract: what every adapter promises (`rtrec.ports`, *Rules of the store*)."""

import math
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import NamedTuple

import pytest

from rtrec.ports import Owner, StateStore, Verdict
from rtrec.stages.effects import Writes
from tests.contract.handles import Handles
from tests.contract.records import BINARY

OWNER = Owner("heat", 0)

Inputs = Mapping[str, tuple[int, int]]


def puts(**records: bytes | None) -> Writes:
    return Writes(puts=dict(records))


def commit_puts(store: StateStore, epoch: int, records: dict[str, bytes | None]) -> None:
    assert store.commit(OWNER, epoch, {}, Writes(puts=records)) is Verdict.OK


# --- leases


def test_each_acquire_hands_out_an_epoch_above_every_earlier_one(stores: Handles[StateStore]) -> None:
    one, other = stores.open(), stores.open()
    epochs = [one.acquire(OWNER).epoch, other.acquire(OWNER).epoch, one.acquire(OWNER).epoch]
    epochs.append(stores.reopen().acquire(OWNER).epoch)
    assert epochs == [epochs[0] + i for i in range(4)]


def test_epochs_of_owners_are_their_own(store: StateStore) -> None:
    zombie = store.acquire(Owner("heat", 1))
    store.acquire(OWNER)
    store.acquire(Owner("profile", 1))
    assert store.commit(Owner("heat", 1), zombie.epoch, {"events": (0, 1)}, Writes()) is Verdict.OK


def test_a_lease_says_where_each_input_stands(stores: Handles[StateStore]) -> None:
    store = stores.open()
    lease = store.acquire(OWNER)
    assert lease.offsets == {}
    store.commit(OWNER, lease.epoch, {"events": (0, 7), "control": (0, 2)}, Writes())
    assert store.acquire(OWNER).offsets == {"events": 7, "control": 2}
    assert stores.reopen().offsets(OWNER) == {"events": 7, "control": 2}


def test_an_owner_never_seen_has_nothing(store: StateStore) -> None:
    assert store.offsets(OWNER) == {}
    assert store.get(OWNER, ["a"]) == [None]
    assert list(store.scan(OWNER)) == []
    assert store.top(OWNER, 10) == []


# --- verdicts


class Case(NamedTuple):
    """A commit on offsets a=10, b=20; `older` by a worker that was replaced."""

    name: str
    inputs: Inputs
    verdict: Verdict
    offsets: Mapping[str, int]
    older: bool = False


STANDING = {"a": 10, "b": 20}
CASES = [
    Case("the next range", {"a": (10, 15)}, Verdict.OK, {"a": 15, "b": 20}),
    Case("two inputs at once", {"a": (10, 15), "b": (20, 21)}, Verdict.OK, {"a": 15, "b": 21}),
    Case("a new input begins at 0", {"c": (0, 3)}, Verdict.OK, {"a": 10, "b": 20, "c": 3}),
    Case("one input read nothing", {"a": (10, 10), "b": (20, 25)}, Verdict.OK, {"a": 10, "b": 25}),
    Case("nothing named", {}, Verdict.OK, STANDING),
    Case("nothing read", {"a": (10, 10), "b": (20, 20)}, Verdict.OK, STANDING),
    Case("nothing read, far ahead", {"a": (99, 99)}, Verdict.OK, STANDING),
    Case("nothing read, far behind", {"a": (3, 3)}, Verdict.OK, STANDING),
    Case("zombie", {"a": (10, 15)}, Verdict.FENCED, STANDING, older=True),
    Case("zombie that read nothing", {}, Verdict.FENCED, STANDING, older=True),
    Case("zombie before duplicate", {"a": (5, 10)}, Verdict.FENCED, STANDING, older=True),
    Case("zombie before gap", {"a": (12, 15)}, Verdict.FENCED, STANDING, older=True),
    Case("the last range again", {"a": (5, 10)}, Verdict.DUPLICATE, STANDING),
    Case("an old range again", {"a": (2, 4)}, Verdict.DUPLICATE, STANDING),
    Case("both inputs again", {"a": (5, 10), "b": (0, 20)}, Verdict.DUPLICATE, STANDING),
    Case("one again, one that read nothing", {"a": (5, 10), "b": (20, 20)}, Verdict.DUPLICATE, STANDING),
    Case("input skipped", {"a": (11, 15)}, Verdict.GAP, STANDING),
    Case("a new input skipped", {"c": (1, 3)}, Verdict.GAP, STANDING),
    Case("one skipped, one in order", {"a": (10, 15), "b": (21, 22)}, Verdict.GAP, STANDING),
    Case("gap before overlap", {"a": (5, 15), "b": (21, 22)}, Verdict.GAP, STANDING),
    Case("gap beside a range that was committed", {"a": (5, 10), "b": (21, 22)}, Verdict.GAP, STANDING),
    Case("begins too early", {"a": (9, 15)}, Verdict.OVERLAP, STANDING),
    Case("one too early, one in order", {"a": (9, 15), "b": (20, 22)}, Verdict.OVERLAP, STANDING),
    Case("one again, one in order", {"a": (5, 10), "b": (20, 22)}, Verdict.OVERLAP, STANDING),
]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_commit_is_judged_and_only_ok_changes_anything(stores: Handles[StateStore], case: Case) -> None:
    store, zombie = stores.open(), stores.open()
    old = zombie.acquire(OWNER)
    epoch = store.acquire(OWNER).epoch
    before = Writes({"x": b"1", "y": b"1"}, {"m": 1.0, "n": 2.0})
    assert store.commit(OWNER, epoch, {"a": (0, 10), "b": (0, 20)}, before) is Verdict.OK
    writes = Writes({"x": b"2", "y": None, "z": b"2"}, {"m": 3.0, "n": None, "o": 4.0})
    author, used = (zombie, old.epoch) if case.older else (store, epoch)
    assert author.commit(OWNER, used, case.inputs, writes) is case.verdict
    store = stores.reopen()
    assert store.offsets(OWNER) == case.offsets
    written = case.verdict is Verdict.OK
    assert list(store.scan(OWNER)) == ([("x", b"2"), ("z", b"2")] if written else [("x", b"1"), ("y", b"1")])
    assert store.top(OWNER, 9) == ([("o", 4.0), ("m", 3.0)] if written else [("n", 2.0), ("m", 1.0)])
    assert store.acquire(OWNER).epoch == epoch + 1


def test_a_worker_is_fenced_from_the_moment_another_takes_over(stores: Handles[StateStore]) -> None:
    old, new = stores.open(), stores.open()
    first = old.acquire(OWNER)
    assert old.commit(OWNER, first.epoch, {"events": (0, 5)}, puts(a=b"1")) is Verdict.OK
    second = new.acquire(OWNER)
    assert second.offsets == {"events": 5}
    assert old.commit(OWNER, first.epoch, {"events": (5, 9)}, puts(a=b"zombie")) is Verdict.FENCED
    assert new.commit(OWNER, second.epoch, {"events": (5, 9)}, puts(a=b"2")) is Verdict.OK
    assert old.commit(OWNER, first.epoch, {"events": (9, 12)}, puts(a=b"zombie")) is Verdict.FENCED
    assert new.get(OWNER, ["a"]) == [b"2"]


def test_one_of_many_racing_commits_of_a_range_wins(stores: Handles[StateStore]) -> None:
    handles = [stores.open() for _ in range(4)]
    epoch = handles[0].acquire(OWNER).epoch

    def race(worker: int) -> Verdict:
        writes = puts(winner=str(worker).encode(), also=str(worker).encode())
        return handles[worker].commit(OWNER, epoch, {"events": (0, 10)}, writes)

    with ThreadPoolExecutor(4) as pool:
        verdicts = list(pool.map(race, range(4)))
    assert sorted(v.name for v in verdicts) == ["DUPLICATE", "DUPLICATE", "DUPLICATE", "OK"]
    winner = str(verdicts.index(Verdict.OK)).encode()
    assert handles[0].get(OWNER, ["winner", "also"]) == [winner, winner]


# --- records


def test_values_come_in_the_order_of_the_keys(store: StateStore) -> None:
    epoch = store.acquire(OWNER).epoch
    commit_puts(store, epoch, {"a": b"1", "b": b"", "c": b"3"})
    assert store.get(OWNER, ["c", "none", "a", "b", "c"]) == [b"3", None, b"1", b"", b"3"]
    assert store.get(OWNER, []) == []


def test_a_record_is_replaced_deleted_and_written_again(store: StateStore) -> None:
    epoch = store.acquire(OWNER).epoch
    for value in (b"1", b"22", None, None, b"333"):
        commit_puts(store, epoch, {"a": value})
        assert store.get(OWNER, ["a"]) == [value]
    assert list(store.scan(OWNER)) == [("a", b"333")]


@pytest.mark.parametrize("value", [b"x" * 100 * 1024, BINARY * 1_000, b""], ids=["100 KiB", "binary", "empty"])
def test_any_bytes_survive(stores: Handles[StateStore], value: bytes) -> None:
    store = stores.open()
    commit_puts(store, store.acquire(OWNER).epoch, {"a": value})
    assert stores.reopen().get(OWNER, ["a"]) == [value]


def test_owners_do_not_see_each_others_records(store: StateStore) -> None:
    owners = [Owner("heat", 0), Owner("heat", 1), Owner("heat", 10), Owner("profile", 0)]
    for owner in owners:
        writes = Writes({"a": str(owner).encode()}, {str(owner): 1.0})
        assert store.commit(owner, store.acquire(owner).epoch, {"events": (0, 1)}, writes) is Verdict.OK
    for owner in owners:
        assert list(store.scan(owner)) == [("a", str(owner).encode())]
        assert store.top(owner, 9) == [(str(owner), 1.0)]
        assert store.offsets(owner) == {"events": 1}


def test_a_scan_is_by_key_and_takes_its_prefix_literally(store: StateStore) -> None:
    keys = ["a:", "a:1", "a:10", "a:2", "a%", "a_1", "A:1", "a:\x00", "a:é", "a:\U0010ffff", "a;", "*", "b"]
    commit_puts(store, store.acquire(OWNER).epoch, {key: key.encode() for key in keys})
    for prefix in ["", "a", "a:", "a:1", "a%", "a_", "*", "b", "zz", "a:\U0010ffff"]:
        expected = sorted(key for key in keys if key.startswith(prefix))
        assert list(store.scan(OWNER, prefix)) == [(key, key.encode()) for key in expected]


def test_a_scan_left_early_holds_nobody_up(store: StateStore) -> None:
    epoch = store.acquire(OWNER).epoch
    commit_puts(store, epoch, {f"k{i:03}": b"v" for i in range(100)})
    for scan in [store.scan(OWNER) for _ in range(20)]:
        assert next(scan) == ("k000", b"v")
        commit_puts(store, epoch, {"l": b"v"})


# --- ranking


def test_the_ranking_is_by_score_and_equal_scores_by_member(store: StateStore) -> None:
    ranks: dict[str, float | None] = {"b": 1.5, "a": 1.5, "é": 1.5, "top": math.inf, "cold": -math.inf, "zero": 0.0}
    store.commit(OWNER, store.acquire(OWNER).epoch, {}, Writes(ranks=ranks))
    assert store.top(OWNER, 9) == [
        ("top", math.inf),
        ("a", 1.5),
        ("b", 1.5),
        ("é", 1.5),
        ("zero", 0.0),
        ("cold", -math.inf),
    ]


def test_pages_of_the_ranking_fit_together(store: StateStore) -> None:
    ranks: dict[str, float | None] = {f"m{i}": float(i % 7) for i in range(50)}
    store.commit(OWNER, store.acquire(OWNER).epoch, {}, Writes(ranks=ranks))
    whole = store.top(OWNER, 1_000)
    assert len(whole) == 50
    assert [row for skip in range(0, 60, 9) for row in store.top(OWNER, 9, skip)] == whole
    assert store.top(OWNER, 5, 50) == []


def test_a_member_moves_and_leaves(stores: Handles[StateStore]) -> None:
    store = stores.open()
    epoch = store.acquire(OWNER).epoch
    store.commit(OWNER, epoch, {}, Writes(ranks={"a": 1.0, "b": 2.0, "c": 3.0}))
    store.commit(OWNER, epoch, {}, Writes(ranks={"a": 9.0, "b": None, "never": None}))
    assert store.top(OWNER, 9) == [("a", 9.0), ("c", 3.0)]
    assert stores.reopen().top(OWNER, 9) == [("a", 9.0), ("c", 3.0)]


def test_scores_keep_every_bit(store: StateStore) -> None:
    scores: dict[str, float | None] = {"a": 0.1 + 0.2, "b": 1e300, "c": 5e-324, "d": 28_539_094.300000004}
    store.commit(OWNER, store.acquire(OWNER).epoch, {}, Writes(ranks=scores))
    assert dict(store.top(OWNER, 9)) == scores


# --- readers beside a writer


def test_a_reader_sees_a_commit_whole_or_not_at_all(stores: Handles[StateStore]) -> None:
    writer, reader = stores.open(), stores.open()
    epoch = writer.acquire(OWNER).epoch
    commit_puts(writer, epoch, {"a": b"0", "z": b"0"})
    done = Event()

    def watch() -> int:
        seen = set()
        while not done.is_set():
            first, last = reader.get(OWNER, ["a", "z"])
            assert first == last
            seen.add(first)
        return len(seen)

    with ThreadPoolExecutor(1) as pool:
        watching = pool.submit(watch)
        try:
            for turn in range(200):
                value = str(turn).encode()
                writes = Writes({"a": value, "z": value, "between": b"x" * 10_000})
                assert writer.commit(OWNER, epoch, {"events": (turn, turn + 1)}, writes) is Verdict.OK
        finally:
            done.set()
        assert watching.result(timeout=60) >= 1
