"""One running cluster for several test modules: services of its own, all stages, an API of two processes.

Its services are killed and its workers stopped, and they have to come back by themselves; what a test has stopped on
purpose, the next one that needs it starts (`ensure`).
"""

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Final

from click.testing import CliRunner, Result

from rtrec.cli import main
from rtrec.settings import Settings
from rtrec.settings_io import load
from services.process import until
from services.service_set import ServiceSet
from tests.cluster import check_anchors, check_users, topics
from tests.cluster.api import Api, Worker
from tests.cluster.fleet import SOON_S, Fleet
from tests.cluster.standing import MAIN, Standing
from tests.cluster.stream import Line, Story, story_lines

PARTITIONS: Final = 2
MAPPING: Final = """
decoder = "json"
[type]
path = "kind"
names = { gift_sent = "gift", room_opened = "live_start" }
ignore = ["ping"]
[time]
path = "time"
unit = "s"
[fields]
event_id = "id"
anchor_id = "room.owner"
user_id = "user.id"
live_id = "room.id"
[fields.gift]
value = { path = "price", times = 100 }
"""
"""What `partner` sends."""
_numbers = count()


def now_ms() -> int:
    """The wall clock."""
    return time.time_ns() // 1_000_000


def event(kind: str, anchor_id: str, user_id: str | None = None, **more: Any) -> dict[str, Any]:
    """An event of now with an id of its own."""
    made = {"event_id": f"e{next(_numbers)}-{now_ms()}", "type": kind, "ts_ms": now_ms(), "anchor_id": anchor_id}
    return made | ({"user_id": user_id} if user_id else {}) | more


@dataclass
class Together:
    """Everything; see the module.

    bad: lines that were produced and are no events. excused: ids of events that were refused once and taken once.
    """

    services: ServiceSet
    folder: Path
    environ: dict[str, str]
    fleet: Fleet
    standing: Standing
    api: Api
    workers: list[Worker] = field(default_factory=list)
    bad: set[bytes] = field(default_factory=set)
    excused: set[str] = field(default_factory=set)

    @classmethod
    def begin(cls, services: ServiceSet, folder: Path, **more: str) -> "Together":
        """Start it all; returns when the API is ready and every stage is at work. more: of its environment."""
        environ = _environ(services, folder) | more
        (folder / "partner.toml").write_text(MAPPING, encoding="utf-8")
        settings = load(None, environ)
        topics_made = _run(environ, "topics", "create")
        assert topics_made.exit_code == 0, topics_made.output
        api = Api(folder / "api", environ)
        made = cls(services, folder, environ, Fleet(folder / "workers", environ), Standing(settings), api)
        try:
            made.ensure(*MAIN)
            made.workers = made.api.await_ready()
        except BaseException:
            made.end()
            raise
        return made

    @property
    def settings(self) -> Settings:
        """What everything is configured by."""
        return self.standing.settings

    def ensure(self, *stages: str) -> None:
        """Have a worker of each stage at work, starting those that are not there."""
        for stage in stages:
            if not self.fleet.of(stage):
                self.fleet.start(stage)
        self.until(lambda: all(self.fleet.at_work(stage) for stage in stages), f"{stages} are at work")

    def stop(self, *stages: str) -> dict[str, float]:
        """End every worker of some stages in good order; how long each took."""
        return {one.name: took for one, took in self.fleet.end(*(w for stage in stages for w in self.fleet.of(stage)))}

    def until(self, condition: Callable[[], object], what: str, seconds: float = SOON_S) -> None:
        """Wait for a condition; fails with the ends of all logs."""
        if not until(lambda: bool(condition()), seconds):
            logs = "\n".join(f"--- {one.name}\n{one.tail()}" for one in self.fleet.workers if not one.ended)
            api = "\n".join(self.api.log.splitlines()[-15:])
            raise AssertionError(f"after {seconds:.0f} s still not: {what}\n{logs}\n--- api\n{api}")

    def settle(self) -> None:
        """Wait until every stage is at its topic's end."""
        self.until(self._settled, "every stage is at its topic's end")

    def settle_of(self, *stages: str) -> None:
        """Wait until some stages are at their topics' ends."""

        def at_ends() -> bool:
            try:
                return all(self.standing.offsets(stage) == self.standing.ends(MAIN[stage]) for stage in stages)
            except OSError:
                return False

        for _ in range(2):
            self.until(at_ends, f"{stages} are at their topics' ends")

    def _settled(self) -> bool:
        try:
            return not (self.standing.behind() or self.standing.behind())
        except OSError:
            return False

    def send(self, *events: dict[str, Any]) -> None:
        """Send events through the API, to either of its workers."""
        answer = self.workers[0].ask("POST", "/v1/events", {"events": list(events)})
        assert (answer.status, answer.document) == (202, {"accepted": len(events), "rejected": []}), answer

    def story(self, seed: int, events: int) -> list[Line]:
        """Lines of a seeded stream that ends now; what is hostile is noted."""
        lines = story_lines(Story(seed, events, anchors=12, users=60))
        newest_ms = max(json.loads(line.value)["ts_ms"] for line in lines if line.good)
        later_ms = now_ms() - newest_ms
        made = [_later(line, later_ms, f"s{seed}.") if line.good else line for line in lines]
        self.bad |= {line.value for line in made if not line.good}
        return made

    def differences(self) -> list[str]:
        """What the brute-force oracle finds wrong in all that was ever sent, with everything worked off."""
        found: list[str] = []
        letters = topics.dead_letters(self.standing.read("dead_letters")[0], found)
        met = [topics.anchor_events(part, found)[0] for part in self.standing.read("anchor_events")]
        handed = [topics.handed("user_events", part, found)[0] for part in self.standing.read("user_events")]
        ours = [[one for one in part if one.source.startswith("events:")] for part in met]
        found += check_anchors.ingested(self.standing.read("events"), self.bad, ours, letters)
        judged = [check_anchors.Judged(part) for part in met]
        found += check_anchors.anchors(self.standing, judged)
        found += check_users.handed_on(judged, handed)
        return [fault for fault in found if not any(one in fault for one in self.excused)]

    def command(self, *words: str, exit_code: int = 0) -> Result:
        """Run a command of ours on this cluster, in this process."""
        result = _run(self.environ, *words)
        assert result.exit_code == exit_code, f"rtrec {' '.join(words)}: {result.exit_code}: {result.output}"
        return result

    def command_with(self, changed: dict[str, str], *words: str) -> Result:
        """Run a command that is configured otherwise."""
        return _run(self.environ | changed, *words)

    def standing_of(self, changed: dict[str, str]) -> Standing:
        """Where a cluster stands that is configured otherwise."""
        return Standing(load(None, self.environ | changed))

    def json_of(self, *words: str) -> Any:
        """The document that a command prints."""
        return json.loads(self.command(*words, "--json").stdout)

    def end(self) -> None:
        """End everything."""
        self.leave()
        self.services.kill()

    def leave(self) -> None:
        """End everything but the services."""
        self.fleet.destroy()
        self.api.destroy()
        self.standing.close()


def _environ(services: ServiceSet, folder: Path) -> dict[str, str]:
    return {
        "RTREC_KAFKA": services.kafka.address, "RTREC_REDIS": services.redis.url,
        "RTREC_CLUSTER_NAMESPACE": "tog-", "RTREC_CLUSTER_PARTITIONS": str(PARTITIONS),
        "RTREC_CLUSTER_SESSION_TIMEOUT_MS": "6000", "RTREC_CLUSTER_QUIET_MS": "500",
        "RTREC_CLUSTER_SOURCES": json.dumps(str(folder / "partner.toml")).join(('{ events = "", partner = ', " }")),
        "RTREC_REGISTRY_URL": str(folder / "registry"), "RTREC_REGISTRY_SNAPSHOT_MS": "700",
        "RTREC_ARCHIVE_URL": str(folder / "archive"), "RTREC_ARCHIVE_FLUSH_MS": "1000",
        "RTREC_LEARNER_PUBLISH_MS": "200", "RTREC_LEARNER_SLOTS_LOG2": "16",
    }  # fmt: skip


def _run(environ: dict[str, str], *words: str) -> Result:
    others: dict[str, str | None] = {name: None for name in os.environ if name.startswith("RTREC_")}
    result = CliRunner().invoke(main, words, env=others | environ)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def _later(line: Line, later_ms: int, lead: str) -> Line:
    """An event at another time, with ids that no other story has."""
    made = json.loads(line.value)
    made["ts_ms"] += later_ms
    for name in ("event_id", "txn_id", "reversal_of"):
        if name in made:
            made[name] = f"{lead}{made[name]}"
    return line._replace(value=json.dumps(made).encode())
