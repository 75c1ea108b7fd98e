"""A live host: a thread that steps while events come, publishes weights, ticks, reloads, and says how it is.

Rules
-----
- Weights reach the scorer every `learner.publish_ms` unless the circuit breaker is open (`releasing`); figures are
  copied every second, and computed when they are asked for.
- When no event has come for a second and a label is due by the wall clock, a tick is appended to the label
  stage's input, so that what it decides is in the log.
- A step that fails is tried again from the store, with growing pauses; `/readyz` says so meanwhile. With
  `dead_letters.on_cap = "stop"` the thread ends when the cap is passed, and `/readyz` says why.
"""

import logging
import threading
from collections.abc import Callable
from typing import Final

from rtrec.ports import NewRecord
from rtrec.runtime.folder import TICKS
from rtrec.runtime.host import Host, TooManyRefused
from rtrec.runtime.reader import now_ms
from rtrec.runtime.releasing import Releasing
from rtrec.runtime.warm import warm
from rtrec.settings import Settings

IDLE_S: Final = 0.02
QUIET_MS: Final = 1_000
FIGURES_MS: Final = 1_000
DROP_IDLE_MS: Final = 60_000
MAX_PAUSE_S: Final = 5.0
_log = logging.getLogger("rtrec.live")

Reload = Callable[[], Settings | None]
"""Settings that changed since the last call, or None."""


class Live:
    """The thread of one host. `start` returns when requests can be answered."""

    def __init__(self, host: Host, reload: Reload = lambda: None) -> None:
        self._host, self._reload = host, reload
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rtrec-host", daemon=True)
        self._published_ms = self._figures_ms = self._busy_ms = self._dropped_ms = 0

    def start(self) -> None:
        """Take anchors and weights into memory, warm the kernels, and begin to step."""
        known = self._host.serving.known
        known.follow()
        self._releasing = Releasing(self._host)
        warm()
        known.weights.page_in()
        self._host.journey.learn.model.page_in()
        self._figures()
        self._host.serving.reasons = []
        self._thread.start()

    def stop(self) -> None:
        """End after the step at hand."""
        self._stopping.set()
        self._host.wake.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        pause = IDLE_S
        while not self._stopping.is_set():
            try:
                self._host.wake.clear()
                if not self._turn():
                    self._host.wake.wait(IDLE_S)
                pause, self._host.serving.reasons = IDLE_S, []
            except TooManyRefused as error:
                self._host.serving.reasons = [str(error)]
                return
            except Exception as error:  # noqa: BLE001 - the stream must go on; what failed is said, and tried again
                _log.exception("a step failed; trying again in %.2f s", pause)
                self._host.serving.reasons = [f"the host's last step failed: {error}"]
                self._stopping.wait(pause)
                pause = min(2 * pause, MAX_PAUSE_S)

    def _turn(self) -> int:
        host, now = self._host, now_ms()
        done = host.step()
        if done:
            self._busy_ms = now
        elif now - self._busy_ms > QUIET_MS and host.journey.label.due_ms() <= now:
            host.append(TICKS, [NewRecord(str(now).encode())], durable=False)
        if now - self._published_ms >= host.settings.learner.publish_ms:
            self._published_ms = now
            self._releasing.turn(now)
        if now - self._dropped_ms >= DROP_IDLE_MS:
            self._dropped_ms = now
            host.serving.known.view.drop_idle()
        if now - self._figures_ms >= FIGURES_MS:
            self._figures()
            settings = self._reload()
            if settings is not None:
                host.reload(settings)
        return done

    def _figures(self) -> None:
        self._figures_ms = now_ms()
        journey = self._host.journey
        self._host.serving.progress = journey.learn.progress.taken().report
        self._host.serving.figures = {
            "outcomes": dict(journey.label.counts),
            "totals": self._host.totals(),
            "lag_events": self._host.lag(),
            "slots": journey.learn.slots(),
        }
