"""Each head's last blocks of examples beside those before them: what the circuit breaker compares.

Rules
-----
- The *window* is the last `WINDOW_BLOCKS` blocks (2,000 examples), the *reference* at most `REFERENCE_BLOCKS` (20,000
  examples) before them. Both are the first model's: that is the one which is published.
- While `frozen` what leaves the window does not enter the reference: the present is judged by what was good.
- `accept` makes the window the reference, and the window's calibration the one that counts as right.
"""

from collections import deque
from typing import Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from rtrec.learning.judging import BLOCK, LOGLOSS, POSITIVES, SUMS, WEIGHT, P

WINDOW_BLOCKS: Final = 40
REFERENCE_BLOCKS: Final = 400


class Span(NamedTuple):
    """Sums over some examples: their number and weight, the positives' weight, the loss in nats, the predictions.

    >>> Span(50, 50.0, 5.0, 20.0, 5.5).rate, Span(50, 50.0, 5.0, 20.0, 5.5).calibration
    (0.1, 1.1)
    """

    examples: int = 0
    weight: float = 0.0
    positives: float = 0.0
    loss_nats: float = 0.0
    predicted: float = 0.0

    @property
    def loss(self) -> float | None:
        """Mean logloss, nats."""
        return self.loss_nats / self.weight if self.weight > 0 else None

    @property
    def rate(self) -> float | None:
        """Share of positives."""
        return self.positives / self.weight if self.weight > 0 else None

    @property
    def calibration(self) -> float | None:
        """Predicted over seen positives."""
        return self.predicted / self.positives if self.positives > 0 else None


class StoredRecent(msgspec.Struct, frozen=True, array_like=True):
    """A head's blocks as bytes: float64 [blocks, SUMS], oldest first; the calibration that counts as right."""

    window: bytes = b""
    reference: bytes = b""
    calibration: float = 1.0


class Recent:
    """One head's; see the module."""

    def __init__(self) -> None:
        self._window: deque[NDArray[np.float64]] = deque()
        self._reference: deque[NDArray[np.float64]] = deque(maxlen=REFERENCE_BLOCKS)
        self.calibration = 1.0
        self.frozen = False

    def add(self, block: NDArray[np.float64]) -> None:
        """A block's sums, [SUMS]."""
        self._window.append(block)
        if len(self._window) > WINDOW_BLOCKS:
            left = self._window.popleft()
            if not self.frozen:
                self._reference.append(left)

    @property
    def window(self) -> Span:
        """The newest examples."""
        return _span(self._window)

    @property
    def reference(self) -> Span:
        """Those before them, as long as they were good."""
        return _span(self._reference)

    def begin(self) -> None:
        """Forget everything: what came so far is no measure."""
        self._window.clear()
        self._reference.clear()

    def accept(self) -> None:
        """Take the present as what is right."""
        self.calibration = self.window.calibration or 1.0
        self._reference.clear()
        self._reference.extend(self._window)

    def stored(self) -> StoredRecent:
        """For storing."""
        return StoredRecent(_packed(self._window), _packed(self._reference), self.calibration)

    @classmethod
    def of(cls, stored: StoredRecent) -> "Recent":
        """What `stored` gave."""
        recent = cls()
        recent._window.extend(np.frombuffer(stored.window, "<f8").reshape(-1, SUMS))
        recent._reference.extend(np.frombuffer(stored.reference, "<f8").reshape(-1, SUMS))
        recent.calibration = stored.calibration
        return recent


def _span(blocks: deque[NDArray[np.float64]]) -> Span:
    if not blocks:
        return Span()
    sums = np.sum(blocks, axis=0).tolist()
    return Span(BLOCK * len(blocks), sums[WEIGHT], sums[POSITIVES], sums[LOGLOSS], sums[P])


def _packed(blocks: deque[NDArray[np.float64]]) -> bytes:
    return b"".join(block.astype("<f8", copy=False).tobytes() for block in blocks)
