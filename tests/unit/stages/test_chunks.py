import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtrec.stages.chunks import Chunks
from rtrec.stages.effects import Writes

ROW = np.dtype([("key", "u8"), ("until", "i8")])
Model = list[tuple[int, int, str]]


def make(prefix: str = "seen") -> Chunks:
    return Chunks(prefix, ROW, lambda rows: rows["until"])


def apply(store: dict[str, bytes], writes: Writes) -> None:
    for key, value in writes.puts.items():
        if value is None:
            store.pop(key, None)
        else:
            store[key] = value


def listed(chunks: Chunks, now: int) -> Model:
    rows, texts = chunks.rows(now)
    assert len(rows) == len(texts)
    return [(int(r["key"]), int(r["until"]), text) for r, text in zip(rows, texts, strict=True)]


TURNS = st.lists(
    st.tuples(
        st.lists(st.integers(0, 30), max_size=12),  # lifetimes of the turn's rows
        st.integers(0, 10),  # time that passes
        st.booleans(),  # whether another worker takes over after it
    ),
    max_size=40,
)


@given(TURNS)
def test_rows_alive_are_those_of_a_plain_list(turns: list[tuple[list[int], int, bool]]) -> None:
    """After any adds, expiries and reloads the rows alive stand in order of arrival, in memory and in the store."""
    chunks, store, model = make(), dict[str, bytes](), Model()
    now = key = 0
    for lifetimes, passed, reload in turns:
        now += passed
        fresh = [(key + k, now + life, f"t{key + k}") for k, life in enumerate(lifetimes)]
        key += len(fresh)
        model = [one for one in model if one[1] >= now] + fresh
        writes = Writes()
        rows = np.array([(number, until) for number, until, _ in fresh], ROW)
        chunks.add(rows, [text for _, _, text in fresh], now, writes)
        apply(store, writes)
        assert listed(chunks, now) == model
        reloaded = make()
        reloaded.load(sorted(store.items()))
        assert listed(reloaded, now) == model
        if reload:
            chunks = reloaded
    later = now + 15
    assert listed(chunks, later) == [one for one in model if one[1] >= later]


@given(st.lists(st.integers(1, 60), min_size=1, max_size=120))
def test_there_are_at_most_log2_rows_chunks(sizes: list[int]) -> None:
    """And a row is rewritten at most log2(rows) times on average, however rows were cut into commits."""
    chunks, store, rewritten, total = make(), dict[str, bytes](), 0, 0
    for size in sizes:
        writes = Writes()
        chunks.add(np.array([(1, 9)] * size, ROW), [], 0, writes)
        rewritten += sum(len(value) for value in writes.puts.values() if value is not None) // ROW.itemsize
        apply(store, writes)
        total += size
        assert len(store) <= math.log2(total) + 1
        assert len(chunks) == total
    assert rewritten <= total * (math.log2(total) + 2)


def test_a_chunk_whose_rows_are_all_dead_is_dropped_from_the_store() -> None:
    """Also by a commit that adds nothing."""
    chunks, store, writes = make(), dict[str, bytes](), Writes()
    chunks.add(np.array([(1, 10)], ROW), [], 0, writes)
    apply(store, writes)
    assert len(store) == 1
    writes = Writes()
    chunks.add(np.zeros(0, ROW), [], 10, writes)
    assert writes.puts == {}
    chunks.add(np.zeros(0, ROW), [], 11, writes)
    apply(store, writes)
    assert (store, len(chunks)) == ({}, 0)


def test_other_keys_are_passed_over_and_another_format_is_refused() -> None:
    chunks, other, writes = make(), make("people"), Writes()
    other.add(np.array([(1, 10)], ROW), [], 0, writes)
    chunks.load([(key, value) for key, value in writes.puts.items() if value is not None])
    assert len(chunks) == 0
    stored: dict[str, Any] = dict(writes.puts)
    newer = stored["people/0000000000000000"].replace(b"\x93\x01", b"\x93\x02", 1)
    with pytest.raises(ValueError, match="written in chunk format 2, this rtrec reads 1; use a newer rtrec"):
        other.load([("people/0000000000000000", newer)])


def test_rows_are_bounded_and_the_oldest_go_first() -> None:
    """Past the limit the oldest eighth goes, in memory and in what is stored, and is counted."""
    chunks, stored, dropped = Chunks("x", ROW, lambda rows: rows["until"]), dict[str, bytes | None](), 0
    for k in range(40):
        writes = Writes()
        rows = np.array([(100 * k + j, 10**9) for j in range(10)], ROW)
        chunks.add(rows, [f"{100 * k + j}" for j in range(10)], 0, writes)
        dropped += chunks.bound(64, writes)
        stored.update(writes.puts)
        assert len(chunks) <= 64
    kept, texts = chunks.rows(0)
    again = Chunks("x", ROW, lambda rows: rows["until"])
    again.load((key, value) for key, value in sorted(stored.items()) if value is not None)
    assert dropped == 400 - len(kept)
    assert kept["key"].tolist() == [100 * k + j for k in range(40) for j in range(10)][-len(kept) :]
    assert texts == [str(key) for key in kept["key"].tolist()]
    assert again.rows(0)[0].tolist() == kept.tolist()


@given(st.lists(st.integers(1, 30), min_size=1, max_size=60), st.integers(8, 60))
def test_rows_are_bounded_and_the_newest_stay(sizes: list[int], limit: int) -> None:
    """Never more than the limit after a commit; what went is the oldest, counted, in memory and in the store alike."""
    chunks, store, total, dropped = make(), dict[str, bytes](), 0, 0
    for size in sizes:
        writes = Writes()
        chunks.add(
            np.array([(total + k + 1, 9) for k in range(size)], ROW),
            [str(total + k + 1) for k in range(size)],
            0,
            writes,
        )
        total += size
        dropped += chunks.bound(limit, writes)
        apply(store, writes)
        assert min(total, limit - limit // 8) <= len(chunks) <= limit
        assert len(chunks) == total - dropped
        stands = [(key, 9, str(key)) for key in range(dropped + 1, total + 1)]
        reloaded = make()
        reloaded.load(sorted(store.items()))
        assert listed(chunks, 0) == listed(reloaded, 0) == stands
