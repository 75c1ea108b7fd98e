"""Candidates of a recommendation: where they come from, merged, each once, under its first source."""

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rtrec.features.anchor_table import Anchors

NEW_MS: Final = 600_000
"""A room is new for ten minutes."""
PER_SOURCE: Final = 200


def newest_rooms(rows: Anchors, now_ms: int) -> NDArray[np.int64]:
    """Places of rooms that began within the last ten minutes, newest first."""
    fresh = np.flatnonzero(rows["room_since_ms"] > now_ms - NEW_MS)
    return fresh[np.argsort(-rows["room_since_ms"][fresh], kind="stable")]


def merge(sources: Sequence[tuple[str, Iterable[str]]]) -> dict[str, str]:
    """anchor → source, in order of the sources; an anchor stands under the first that names it.

    >>> merge([("followed", ["a"]), ("hot", ["b", "a"])])
    {'a': 'followed', 'b': 'hot'}
    """
    merged: dict[str, str] = {}
    for source, anchors in sources:
        for anchor in anchors:
            merged.setdefault(anchor, source)
    return merged
