"""What HEAT hands on: accepted events of users, with what only HEAT knew of the anchor as of just before."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtrec.events.columns import EventChunk
from rtrec.events.lines import Lines
from rtrec.events.schema import GIFT, IMPRESSION, Attribute
from rtrec.events.user_chunk import ABSENT, USER_COLUMNS, UserChunk
from rtrec.features.anchor_meta import EMPTY, AnchorMeta
from rtrec.stages.heat import HeatResult, HeatState
from rtrec.stages.heat_kernel import ACCEPTED


def user_chunk(state: HeatState, chunk: EventChunk, result: HeatResult) -> UserChunk:
    """Accepted events of users, in order; a reversal with its original's time, user and figures."""
    places = np.flatnonzero((result.outcomes["status"] == ACCEPTED) & (chunk.columns["user"] != 0))
    met, outcomes = chunk.columns.take(places), result.outcomes.take(places)
    columns = np.zeros(len(places), USER_COLUMNS)
    for name in ("position", "ts_ms", "user", "count", "anchor", "type"):
        columns[name] = met[name]
    columns["value"] = np.where(met["type"] == GIFT, met["amount"], 0)
    categories = _categories(state, outcomes["category"], columns)
    givers = _reversals(state, (met["type"] == GIFT) & (met["link"] != 0), outcomes["gift"], columns)
    words = _words(state, chunk, result, places, columns)
    impressions = outcomes["values"] >= 0
    facts = result.values[outcomes["values"][impressions]].view(np.uint8)
    columns["facts"] = ABSENT
    columns["facts"][impressions] = np.arange(len(facts))
    lines = chunk.events
    events = lines.take(places) if isinstance(lines, Lines) else [lines[k] for k in places.tolist()]
    return UserChunk(columns, events, facts, chunk.anchors, categories, givers, words)


def _categories(state: HeatState, hashes: NDArray[np.uint64], columns: NDArray[Any]) -> list[str]:
    """Names of the anchors' categories as the events met them; their places in the column."""
    found, numbers = np.unique(hashes, return_inverse=True)
    names = [state.categories.get(one) for one in found.tolist()]
    known = [name for name in names if name is not None]
    places = {name: place for place, name in enumerate(known)}
    columns["category"] = np.array([places.get(name, ABSENT) for name in names], np.int32)[numbers]  # type: ignore[arg-type]
    return known


def _reversals(
    state: HeatState, reversal: NDArray[np.bool_], gifts: NDArray[np.int64], columns: NDArray[Any]
) -> list[str]:
    """Give reversals what the ledger says of their originals; the givers' ids."""
    columns["giver"] = ABSENT
    originals = gifts[reversal]
    rows = state.ledger[originals]
    for name in ("ts_ms", "user", "value", "count"):
        columns[name][reversal] = rows[name]
    columns["giver"][reversal] = np.arange(len(originals))
    return [state.ledger_users[row] for row in originals.tolist()]


def _words(
    state: HeatState, chunk: EventChunk, result: HeatResult, places: NDArray[np.int64], columns: NDArray[Any]
) -> list[dict[str, Attribute]]:
    """What was said of the impressions' anchors as of just before each; words stand once while they last."""
    columns["words"] = ABSENT
    wanted = np.flatnonzero(columns["type"] == IMPRESSION)
    anchors, versions = columns["anchor"][wanted].astype(np.int64), np.zeros(len(wanted), np.int64)
    for anchor in np.unique(anchors).tolist():
        if changes := result.words.get(chunk.anchors[anchor]):
            mine = np.flatnonzero(anchors == anchor)
            versions[mine] = np.searchsorted([place for place, _ in changes], places[wanted[mine]])
    most = int(versions.max(initial=0)) + 1
    known, columns["words"][wanted] = np.unique(anchors * most + versions, return_inverse=True)
    return [_words_of(state, result, chunk.anchors[one // most], one % most).described() for one in known.tolist()]


def _words_of(state: HeatState, result: HeatResult, name: str, version: int) -> AnchorMeta:
    """An anchor's words before one of the chunk's changes of them, or after the last."""
    changes = result.words.get(name, [])
    return changes[version][1] if version < len(changes) else state.meta.get(name, EMPTY)
