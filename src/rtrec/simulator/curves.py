"""Learning curves as the service tells them: `GET /v1/models`, kept over time, drawn in one line each."""

from collections import deque
from typing import Final

import msgspec

from rtrec.simulator.client import Client

BARS: Final = "▁▂▃▄▅▆▇█"
WIDTH: Final = 40
LOW, HIGH = 0.45, 0.85


class Quality(msgspec.Struct, frozen=True):
    """One ranker's figures on one head; None before there are any."""

    auc: float | None = None
    gauc: float | None = None
    logloss: float | None = None
    calibration: float | None = None


class Head(msgspec.Struct, frozen=True):
    """One head's progressive evaluation."""

    examples: int = 0
    base_rate: float | None = None
    online: Quality = Quality()
    heat_only: Quality = Quality()


class Progress(msgspec.Struct, frozen=True):
    """Every head's."""

    heads: dict[str, Head] = {}


class Models(msgspec.Struct, frozen=True):
    """What the demo reads of `GET /v1/models`."""

    progress: Progress = Progress()


class Curves:
    """The click head's AUC over time, online and by heat alone, and every head's newest figures."""

    def __init__(self) -> None:
        self.heads: dict[str, Head] = {}
        self.online: deque[float] = deque(maxlen=WIDTH)
        self.heat_only: deque[float] = deque(maxlen=WIDTH)

    def read(self, client: Client) -> None:
        """Ask for the newest figures."""
        self.heads = msgspec.convert(client.get("/v1/models"), Models).progress.heads
        click = self.click
        if click.online.auc is not None and click.heat_only.auc is not None:
            self.online.append(click.online.auc)
            self.heat_only.append(click.heat_only.auc)

    @property
    def click(self) -> Head:
        """The head that the summary is about."""
        return self.heads.get("click", Head())


def drawn(values: "deque[float]") -> str:
    """Values between 0.45 and 0.85 as bars.

    >>> drawn(deque([0.45, 0.66, 0.85]))
    '▁▅█'
    """
    top = len(BARS) - 1
    return "".join(BARS[min(top, max(0, round((one - LOW) / (HIGH - LOW) * top)))] for one in values)
