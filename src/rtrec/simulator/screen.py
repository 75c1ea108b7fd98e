"""The demo's one screen: heat board, rates, learning curves, click-through, incidents, where the API is.

On a terminal it refreshes in place; elsewhere a line is printed now and then, and one for each incident.
"""

import time
from typing import Final, Self

import msgspec
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from rtrec.simulator.client import Client
from rtrec.simulator.curves import Curves, drawn
from rtrec.simulator.incidents import Outcome
from rtrec.simulator.ledger import Bucket
from rtrec.simulator.platform import Platform

BOARD: Final = 10
OTHER_LINES: Final = 18
"""What the screen holds beside the board: a low terminal shows fewer anchors, not fewer incidents."""
LINE_EVERY_S: Final = 5.0
DEFAULT, HEAT_ONLY = "default", "heat_only"


class Hot(msgspec.Struct):
    """One line of the heat board."""

    anchor_id: str
    category: str | None = None
    heat: float = 0.0
    viewers: int | None = None


class Board(msgspec.Struct):
    """What the screen reads of `GET /v1/hot`."""

    anchors: list[Hot] = []


class Screen:
    """Shows a running demo.

    Parameters
    ----------
    url: where the API is.
    console: where to show it.
    """

    def __init__(self, console: Console, url: str, platform: Platform, client: Client) -> None:
        self.curves = Curves()
        self.outcomes: list[Outcome] = []
        self._console, self._url, self._platform, self._client = console, url, platform, client
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None
        self._events_then, self._asks_then, self._then_s = 0, 0, time.monotonic()
        self._line_due_s = 0.0
        self._rates = (0.0, 0.0)

    def __enter__(self) -> Self:
        """Take the terminal."""
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Give the terminal back; the last picture stays."""
        if self._live is not None:
            self._live.stop()

    def refresh(self, left_s: float | None) -> None:
        """Ask the API and show; `left_s` is the time until the end, if there is one."""
        self.curves.read(self._client)
        self._measure()
        if self._live is not None:
            rows = max(3, min(BOARD, self._console.height - OTHER_LINES))
            board = msgspec.convert(self._client.get(f"/v1/hot?n={rows}"), Board)
            self._live.update(self._picture(board, left_s), refresh=True)
        elif time.monotonic() >= self._line_due_s:
            self._line_due_s = time.monotonic() + LINE_EVERY_S
            self._console.print(self._line())

    def incident(self, outcome: Outcome) -> None:
        """Show how an incident went."""
        self.outcomes.append(outcome)
        if self._live is None:
            self._console.print(incident_line(outcome))

    def _measure(self) -> None:
        """Events and recommendations a second, over at least a second."""
        seconds = time.monotonic() - self._then_s
        if seconds >= 1.0:
            events, asks = self._platform.ledger.events, self._platform.asks
            self._rates = ((events - self._events_then) / seconds, (asks - self._asks_then) / seconds)
            self._events_then, self._asks_then, self._then_s = events, asks, time.monotonic()

    def _line(self) -> Text:
        click, (events_s, asks_s) = self.curves.click, self._rates
        return Text(
            f"{self._platform.ledger.events:>7,} events  {events_s:4.0f}/s  {asks_s:3.0f} recommendations/s   "
            f"click AUC online {figure(click.online.auc)} heat-only {figure(click.heat_only.auc)}   "
            f"{click_through(self._platform.ledger.buckets)}"
        )

    def _picture(self, board: Board, left_s: float | None) -> RenderableType:
        events_s, asks_s = self._rates
        left = "Ctrl-C ends it" if left_s is None else f"{max(0.0, left_s):.0f} s left"
        ask_ms = self._platform.ask_ms / max(1, self._platform.asks)
        status = Text(
            f"{events_s:,.0f} events/s · {asks_s:.0f} recommendations/s at {ask_ms:.1f} ms · {left}\n"
            f"API {self._url}   docs {self._url}/docs"
        )
        return Group(
            Panel(status, title="rtrec demo", title_align="left"),
            _board(board),
            self._learning(),
            Text(click_through(self._platform.ledger.buckets)),
            *(incident_line(outcome) for outcome in self.outcomes),
        )

    def _learning(self) -> RenderableType:
        table = Table(title="learning, on every example before it is learned", title_justify="left", box=None)
        for name in ("head", "examples", "base rate", "AUC online", "AUC heat", "calibration"):
            table.add_column(name, justify="left" if name == "head" else "right")
        for name, head in self.curves.heads.items():
            table.add_row(
                name, f"{head.examples:,}", figure(head.base_rate), figure(head.online.auc),
                figure(head.heat_only.auc), figure(head.online.calibration),
            )  # fmt: skip
        bars = Text(
            f"click AUC online    {drawn(self.curves.online)}\n          heat-only {drawn(self.curves.heat_only)}"
        )
        return Group(table, bars)


def _board(board: Board) -> RenderableType:
    table = Table(title="heat", title_justify="left", box=None)
    for name in ("anchor", "category", "heat", "viewers"):
        table.add_column(name, justify="right" if name in ("heat", "viewers") else "left")
    table.add_column("")
    top = max((one.heat for one in board.anchors), default=0.0) or 1.0
    for one in board.anchors:
        viewers = "" if one.viewers is None else str(one.viewers)
        table.add_row(one.anchor_id, one.category or "", f"{one.heat:.1f}", viewers, "█" * round(24 * one.heat / top))
    return table


def incident_line(outcome: Outcome) -> Text:
    """An incident in one line."""
    return Text(
        f"{'✓' if outcome.ok else '✗'} {outcome.name:<7} {outcome.line}", style="green" if outcome.ok else "red"
    )


def click_through(buckets: dict[str, Bucket]) -> str:
    """Clicks per impression of both buckets."""
    learned, by_heat = (buckets.get(name, Bucket()) for name in (DEFAULT, HEAT_ONLY))
    return (
        f"click-through of late: learned {learned.recent_rate:.1%}, heat-only {by_heat.recent_rate:.1%}"
        f" (in all {learned.rate:.1%}, {by_heat.rate:.1%})"
    )


def figure(value: float | None) -> str:
    """A figure with three digits, or a dash before there is one."""
    return "–" if value is None else f"{value:.3f}"
