"""People: each user once a kind in a 5-minute block of event time, exact up to 1,024, then within 2 %."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

from rtrec.events.hash_index import HashIndex
from rtrec.events.schema import Event
from rtrec.features.anchor_table import ANCHOR
from rtrec.features.anchor_update import BLOCK_BITS, EXACT_USERS, count_person
from tests.unit.stages.heat_host import MINUTE_MS, T0, Host, made

BLOCK_MS = 5 * MINUTE_MS


@njit(nogil=True)
def _count(rows: Any, users: Any, ts_ms: Any, keys: Any, blocks: Any) -> Any:
    left = 0
    for k in range(users.shape[0]):
        _, key = count_person(rows[0], 0, users[k], ts_ms, keys, blocks)
        left += key != np.uint64(0)
    return left


def counted(users: int, twice: bool = True) -> tuple[int, int]:
    """(people, membership keys kept) after so many users of one block, each seen twice."""
    rows, index = np.zeros(1, ANCHOR), HashIndex()
    rows["anchor"], rows["last_ms"] = 12_345, T0
    index.rebuild(np.zeros(0, np.uint64), np.zeros(0, np.int64), EXACT_USERS + BLOCK_BITS)
    hashes = np.random.default_rng(users).integers(1, 2**63, users, np.uint64)
    kept = sum(_count(rows, hashes, T0, index.keys, index.values) for _ in range(1 + twice))
    return int(rows["people"][0, 0, 0]), int(kept)


@pytest.mark.parametrize("users", [1, 2, 1_000, 1_023, 1_024])
def test_exact_to_1024(users: int) -> None:
    assert counted(users) == (users, users)


@pytest.mark.parametrize("users", [1_025, 2_000, 20_000, 200_000, 300_000])
def test_within_2_percent_beyond_in_bounded_memory(users: int) -> None:
    """200,000 users of one block keep at most 65,536 bits beside the exact part."""
    people, kept = counted(users)
    assert abs(people - users) <= 0.02 * users
    assert kept <= EXACT_USERS + BLOCK_BITS


PEOPLE_OF = {
    "view_start": "watchers", "view_heartbeat": "watchers", "view_end": "watchers", "gift": "gifters",
    "comment": "interactors", "like": "interactors", "follow": "interactors", "share": "interactors",
}  # fmt: skip


@pytest.mark.parametrize("kind", [*PEOPLE_OF, "impression", "click", "negative"])
def test_which_events_count_whom(kind: str) -> None:
    host = Host()
    host.feed(made(kind, T0, event_id="a"), made(kind, T0, event_id="b"), made(kind, T0, event_id="c", user_id="v"))
    shown = host.show(T0)["windows"]
    assert {metric: shown[metric]["10s"] for metric in ("watchers", "gifters", "interactors")} == {
        metric: 2 if PEOPLE_OF.get(kind) == metric else 0 for metric in ("watchers", "gifters", "interactors")
    }


def test_a_late_block_that_nobody_was_seen_in_starts_from_nobody() -> None:
    """Two blocks on, the block between is the previous one: what an older block held is not its count."""
    host = Host()
    host.feed(*(made("view_start", T0, user_id=f"u{k}") for k in range(3)), made("view_start", T0 + 2 * BLOCK_MS))
    host.feed(made("view_start", T0 + BLOCK_MS, user_id="late"))
    assert host.row()["people"][0, 0].tolist() == [1, 1]
    assert host.show(T0 + 2 * BLOCK_MS)["windows"]["watchers"]["1h"] == 5


def test_an_unfollow_is_no_interaction() -> None:
    host = Host()
    host.feed(made("follow", T0, on=False))
    assert host.show(T0)["windows"]["interactors"]["24h"] == 0


@st.composite
def views(draw: st.DrawFn) -> Event:
    user, ts_ms = draw(st.integers(0, 5)), T0 + draw(st.integers(0, 4 * BLOCK_MS))
    return made("view_start", ts_ms, user_id=f"u{user}", event_id=f"{user}-{ts_ms}")


@given(
    st.lists(views(), max_size=50, unique_by=lambda e: e.event_id), st.lists(st.integers(1, 9), min_size=1, max_size=5)
)
def test_people_are_distinct_users_of_the_newest_two_blocks_at_arrival(events: list[Event], cuts: list[int]) -> None:
    """An event of a block older than the one before the anchor's newest adds no person."""
    host, seen, expected, newest, at = Host(), set[tuple[str, int]](), 0, 0, 0
    for event in events:
        newest = max(newest, event.ts_ms)
        block = event.ts_ms // BLOCK_MS
        if newest // BLOCK_MS - block <= 1 and (str(event.user_id), block) not in seen:
            seen.add((str(event.user_id), block))
            expected += 1
    while at < len(events):
        size = cuts[at % len(cuts)]
        host.feed(*events[at : at + size])
        host.take_over()
        at += size
    if events:
        assert host.show(newest)["windows"]["watchers"]["24h"] == expected
