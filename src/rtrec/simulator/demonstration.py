"""The demo from start to end: server, people, screen, incidents at their moments, summary."""

import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final, NamedTuple

from rich.console import Console

from rtrec.simulator.client import Client
from rtrec.simulator.incidents import NAMES, Incidents, Outcome
from rtrec.simulator.ledger import Bucket
from rtrec.simulator.platform import Platform
from rtrec.simulator.screen import DEFAULT, HEAT_ONLY, Screen, figure
from rtrec.simulator.server import Server

SHARES: Final = (0.15, 0.25, 0.5, 0.7)
"""When incidents are staged, as shares of the run time; a run without an end takes a minute's moments."""
ENDLESS_S: Final = 60.0
REFRESH_S: Final = 0.5
SEED: Final = 1


class Summary(NamedTuple):
    """What a demo showed. AUCs are None where the service has too few examples to tell."""

    online_auc: float | None
    heat_only_auc: float | None
    auc_difference: float | None
    examples: int
    ctr_learned: float
    ctr_heat_only: float
    ctr_learned_recent: float
    ctr_heat_only_recent: float
    events: int
    recommendations: int
    incidents: list[Outcome]

    @property
    def ok(self) -> bool:
        """Whether every staged incident kept its promise."""
        return all(outcome.ok for outcome in self.incidents)


def run(server: Server, console: Console, seconds: float | None) -> Summary:
    """Run a demo for `seconds`, or until Ctrl-C; the server ends with it, however it ends."""
    with ExitStack() as stack:
        stack.callback(server.stop)
        console.print(f"starting the server at {server.url} …")
        ready_s = server.start()
        client = Client(server.url)
        stack.callback(client.close)
        platform = Platform(server.url, SEED)
        stack.callback(platform.stop)
        screen = Screen(console, server.url, platform, client)
        try:
            with screen:
                console.print(f"ready after {ready_s:.1f} s; API {server.url}, documentation {server.url}/docs")
                incidents = Incidents(platform, server, client)
                platform.send_past()
                incidents.await_past()
                platform.start()
                _watch(platform, incidents, screen, seconds)
        except KeyboardInterrupt:
            console.print("ending …")
        platform.stop()
        with suppress(OSError):  # ended by Ctrl-C while the server was down: the last figures stand
            screen.curves.read(client)
        return _summary(platform, screen)


def _watch(platform: Platform, incidents: Incidents, screen: Screen, seconds: float | None) -> None:
    started_s = time.monotonic()
    due = [(started_s + share * (seconds or ENDLESS_S), name) for share, name in zip(SHARES, NAMES, strict=True)]
    ends_s = started_s + seconds if seconds else None
    while due or ends_s is None or time.monotonic() < ends_s:
        platform.check()
        screen.refresh(None if ends_s is None else ends_s - time.monotonic())
        if due and time.monotonic() >= due[0][0]:
            screen.incident(incidents.stage(due.pop(0)[1]))
        time.sleep(REFRESH_S)


def _summary(platform: Platform, screen: Screen) -> Summary:
    click, buckets = screen.curves.click, platform.ledger.buckets
    learned, by_heat = (buckets.get(name, Bucket()) for name in (DEFAULT, HEAT_ONLY))
    online, heat_only = click.online.auc, click.heat_only.auc
    return Summary(
        online_auc=online,
        heat_only_auc=heat_only,
        auc_difference=None if online is None or heat_only is None else online - heat_only,
        examples=click.examples,
        ctr_learned=learned.rate,
        ctr_heat_only=by_heat.rate,
        ctr_learned_recent=learned.recent_rate,
        ctr_heat_only_recent=by_heat.recent_rate,
        events=platform.ledger.events,
        recommendations=platform.asks,
        incidents=screen.outcomes,
    )


def summary_lines(summary: Summary) -> list[str]:
    """The summary in words."""
    more = "no difference yet" if summary.auc_difference is None else f"{summary.auc_difference:+.3f}"
    return [
        f"{summary.events:,} events, {summary.recommendations:,} recommendations, {summary.examples:,} click examples",
        f"click AUC: {figure(summary.online_auc)} online, {figure(summary.heat_only_auc)} heat-only: {more}",
        f"click-through lately: learned {summary.ctr_learned_recent:.1%}, heat-only {summary.ctr_heat_only_recent:.1%}",
        f"click-through in all: learned {summary.ctr_learned:.1%}, heat-only {summary.ctr_heat_only:.1%}",
        f"incidents: {sum(outcome.ok for outcome in summary.incidents)} of {len(summary.incidents)} as promised",
    ]


def demo_config() -> Path:
    """`configs/demo.toml`, of the installed package or of the repository."""
    package = Path(__file__).resolve().parents[1]
    places = (package / "configs" / "demo.toml", package.parents[1] / "configs" / "demo.toml")
    return next(place for place in places if place.exists())
