"""What the learnt policy would have shown, row by row of a log that names propensities, while it learns from that log.

Rules
-----
- A row is an impression with a request_id and a propensity above 0; its reward is a click of the same request and
  anchor. Others are counted `skipped`.
- The actions are the items seen in the log before the row, in the order they were seen, at most `MAX_ITEMS`: a row
  that shows a new one has weight 0, for the policy could not have shown it.
- Items are scored by the click's logit, by the very code that answers `/v1/score`, at the row's time, from committed
  records and published weights: what a scorer would have known. Nothing that comes later can be in them.
- The replay is cut where `REFRESH_MS` of event time have passed, and weights are published at each cut: the policy is
  at most that old, and never knows of the row itself.
- Policies: `uniform` (a yardstick: any item alike), `softmax` with `TEMPERATURE` on the logit, `greedy` (the highest).
"""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rtrec.events.codec import decode
from rtrec.events.schema import Event
from rtrec.learning.off_policy import greedy, snips, softmax
from rtrec.ranking.fuse import DEFAULT
from rtrec.runtime.host import Host
from rtrec.runtime.scoring import ask, score
from rtrec.sources.source import SourceLine

REWARD: Final = "click"
REFRESH_MS: Final = 300_000
"""Five minutes: Open Bandit's 10,000 rows hold a click in hours, and each cut costs a turn of every stage (3 ms)."""
TEMPERATURE: Final = 0.25
"""Between a policy that hardly chooses (1) and `greedy`: it leaves a seventh of a uniform log's rows effective."""
MAX_ITEMS: Final = 1_000
POLICIES: Final = ("uniform", "softmax", "greedy")
_LEAST: Final = 1e-12


@dataclass(slots=True)
class OffPolicy:
    """One run's rows. `host` must be new: its scorer follows from here on."""

    host: Host
    skipped: int = 0
    _items: dict[str, None] = field(default_factory=dict)
    _place: dict[tuple[str, str], int] = field(default_factory=dict)
    _weights: "array[float]" = field(default_factory=lambda: array("d"))
    _rewards: "array[float]" = field(default_factory=lambda: array("d"))

    def __post_init__(self) -> None:
        self.host.serving.known.follow()

    def parts(self, batch: list[SourceLine]) -> Iterator[list[SourceLine]]:
        """The batch in parts, each of them looked at as it stands before any of it is taken.

        Whoever asks for the next part has taken the last one through every stage.
        """
        part: list[SourceLine] = []
        began_ms = 0
        self._publish()
        for line in batch:
            event = decode(line.value)
            if isinstance(event, Event):
                if part and event.ts_ms - began_ms > REFRESH_MS:
                    yield part
                    part = []
                    self._publish()
                began_ms = began_ms if part else event.ts_ms
                self._meet(event)
            part.append(line)
        yield part

    def weights(self) -> NDArray[np.float64]:
        """Each row's weights, [rows, policies]."""
        return np.array(self._weights).reshape(-1, len(POLICIES))

    def report(self) -> dict[str, Any]:
        """The logging policy's observed rate and each policy's estimate."""
        rewards, weights = np.array(self._rewards), self.weights()
        return {
            "reward": REWARD, "estimator": "snips", "interval": "wilson 95 %, delta-method variance",
            "rows": len(rewards), "skipped": self.skipped, "items": len(self._items),
            "temperature": TEMPERATURE,
            "logging": snips(np.ones(len(rewards)), rewards)._asdict(),
            "policies": {name: snips(weights[:, k], rewards)._asdict() for k, name in enumerate(POLICIES)},
        }  # fmt: skip

    def _publish(self) -> None:
        update = self.host.journey.learn.publish(self.host.epoch)
        if update is not None:
            self.host.serving.known.publish(update)

    def _meet(self, event: Event) -> None:
        key = (str(event.request_id), str(event.anchor_id))
        if event.type == "click" and key in self._place:
            self._rewards[self._place[key]] = 1.0
        elif event.type == "impression" and event.request_id is not None and event.propensity:
            self._place[key] = len(self._rewards)
            self._rewards.append(0.0)
            self._weights.extend(self._chances(event) / event.propensity)
            if len(self._items) < MAX_ITEMS:
                self._items[key[1]] = None
        elif event.type == "impression":
            self.skipped += 1

    def _chances(self, event: Event) -> NDArray[np.float64]:
        """The probability that each policy shows this event's item, [policies]."""
        if event.anchor_id not in self._items:
            return np.zeros(len(POLICIES))
        items = list(self._items)
        logits, place = self._logits(event, items), items.index(str(event.anchor_id))
        return np.array([1 / len(items), softmax(logits, TEMPERATURE)[place], greedy(logits)[place]])

    def _logits(self, event: Event, items: Sequence[str]) -> NDArray[np.float64]:
        known, ts_ms = self.host.serving.known, event.ts_ms
        known.now_ms = lambda: ts_ms
        asker = ask(known, str(event.user_id), {}, {"surface": event.surface}, DEFAULT)
        p = score(known, asker, items, {}).p[:, known.settings.labels.heads.index(REWARD)]
        logits: NDArray[np.float64] = np.log(np.maximum(p, _LEAST)) - np.log(np.maximum(1.0 - p, _LEAST))
        return logits
