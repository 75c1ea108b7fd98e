"""Chunks of seeded streams, with events as lines and as decoded ones, before and after HEAT."""

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from rtrec.events.columns import EventChunk
from rtrec.events.user_chunk import UserChunk
from rtrec.features.heat_rules import heat_rules
from rtrec.settings import Events, Features, Heat
from rtrec.stages.heat import HeatState, heat, heat_needs
from rtrec.stages.heat_events import user_chunk
from rtrec.stages.ingest import ingest, ingest_lines
from rtrec.stages.messages import Record
from tests.replay.streams import Shape, lines, stream

APPENDED_MS = 2_000_000_000_000
SEEDS = st.integers(0, 20)
RULES = heat_rules(Heat(), Events(), Features())


class Both(NamedTuple):
    """The same events twice: as their own JSON, and decoded."""

    lines: EventChunk
    decoded: EventChunk


@cache
def texts_of(seed: int, events: int = 120) -> list[bytes]:
    """The lines of a stream, all of which are taken; some ids are integers, some names not ASCII."""
    return [text.replace(b'"dance"', '"танці"'.encode()) for text in lines(stream(Shape(seed, events, users=9)))]


@cache
def event_chunks(seed: int) -> Both:
    """A stream's chunk; positions have holes."""
    records = [Record(3 * k + 1, APPENDED_MS, None, text, None) for k, text in enumerate(texts_of(seed))]
    return Both(ingest_lines(records, Events()).chunk, ingest(records, Events()).chunk)


@cache
def user_chunks(seed: int) -> tuple[UserChunk, UserChunk]:
    """What HEAT hands on of a stream: with lines, and with decoded events."""
    made = []
    for chunk in event_chunks(seed):
        state = HeatState(RULES, seen_ids=10_000, ledger_gifts=10_000)
        needs = heat_needs(state, chunk)
        state.admit(needs, [None] * len(needs))
        made.append(user_chunk(state, chunk, heat(state, chunk)))
    return made[0], made[1]


def places_of(count: int) -> st.SearchStrategy[NDArray[np.int64]]:
    """Some places, in order."""
    return st.sets(st.integers(0, count - 1)).map(lambda chosen: np.array(sorted(chosen), np.int64))


def cuts_of(count: int) -> st.SearchStrategy[list[NDArray[np.int64]]]:
    """All places, cut into pieces one after another; some may be empty."""

    def cut(ends: Sequence[int]) -> list[NDArray[np.int64]]:
        return [np.arange(a, b) for a, b in zip([0, *ends], [*ends, count], strict=True)]

    return st.lists(st.integers(0, count), max_size=4).map(sorted).map(cut)
