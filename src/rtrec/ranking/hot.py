"""The hottest live anchors, read off a ranking that is never rescored.

Rules
-----
- The ranking's score log2(S) + L / half-life does not change as time passes; which anchors are live does. So
  a reader pages down until n live, matching anchors are found, plus everything within 1e-8 of the n-th (what
  two roundings of equal heats can differ by), recomputes their heat, and sorts by (-heat, anchor_id).
- Anchors without heat tie at 0 and stand last, by anchor_id: as soon as one would be answered, all are read.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

NEAR: Final = 1e-8
PAGE: Final = 256

Look = Callable[[Sequence[str]], Sequence[float | None]]
"""Heat now of each anchor; None for one that is not live or does not match."""


def hottest(pages: Iterable[Sequence[tuple[str, float]]], look: Look, n: int) -> list[tuple[str, float]]:
    """(anchor, heat) of the n hottest. pages: of (anchor, ranking score), highest first.

    >>> hottest([[("b", 9.0), ("a", 9.0), ("c", 8.0)]], lambda names: [None if x == "c" else 4.0 for x in names], 1)
    [('a', 4.0)]
    """
    found: list[tuple[str, float]] = []
    scores: list[float] = []
    for page in pages:
        heats = look([anchor for anchor, _ in page])
        for (anchor, score), heat in zip(page, heats, strict=True):
            if len(found) >= n and found[n - 1][1] > 0.0 and score < scores[n - 1] - NEAR:
                return _sorted(found, n)
            if heat is not None:
                found.append((anchor, heat))
                scores.append(score)
    return _sorted(found, n)


def _sorted(found: list[tuple[str, float]], n: int) -> list[tuple[str, float]]:
    return sorted(found, key=lambda one: (-one[1], one[0]))[:n]
