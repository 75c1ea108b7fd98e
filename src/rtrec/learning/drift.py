"""Drift of the loss, per head: ADWIN (Bifet and Gavaldà 2007; River's) over mean losses of blocks of examples.

Rules
-----
- ADWIN is given one mean of `judging.BLOCK` examples, and looks for a cut at each. An example at a time it costs 0.6 to
  1.0 µs, a third of learning; by blocks of 50 it is 20 ns an example. What that costs in delay, on a stream whose rate
  of positives jumps from 0.1 under a constant prediction: to 0.5 it is seen after 500 examples, to 0.3 after 1,000, to
  0.2 after 2,300, to 0.15 after 5,000, without a false alarm in 500,000 (blocks of 200: four times as long).
- It is not part of the weights' state: at a restart the windows begin anew, and so does the count of drifts.
- River is imported when the first block comes, or by `load` before: it takes a second or two.
"""

from typing import Any, Final

DELTA: Final = 0.002
"""ADWIN's confidence, River's default: a bound on the share of false alarms."""


class Drift:
    """One head's.

    drifts: how many were found since the start. at: the number of the head's examples when the last one was, or None.

    >>> drift = Drift()
    >>> for block in range(400):
    ...     drift.add(0.3 if block < 200 else 0.9, examples=50 * (block + 1))
    >>> drift.drifts > 0, drift.at is not None and 10_000 < drift.at < 12_000
    (True, True)
    """

    def __init__(self) -> None:
        self.drifts = 0
        self.at: int | None = None
        self._adwin: Any = None

    def load(self) -> None:
        """Import River now."""
        from river.drift import ADWIN  # noqa: PLC0415 - takes a second or two

        self._adwin = ADWIN(delta=DELTA, clock=1)  # type: ignore[no-untyped-call]

    def add(self, loss: float, examples: int) -> None:
        """The mean loss of the block that ended with a head's example of this number."""
        if self._adwin is None:
            self.load()
        self._adwin.update(loss)
        if self._adwin.drift_detected:
            self.drifts, self.at = self.drifts + 1, examples

    def report(self) -> dict[str, int | None]:
        """For people."""
        return {"drifts": self.drifts, "last_example": self.at}
