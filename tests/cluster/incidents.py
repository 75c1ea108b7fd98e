"""What goes wrong in the chaos test, in a seeded order, and the director who sees to it.

Rules
-----
- An incident comes while lines are produced and the stage it hits is at work, and the next one comes only when the
  cluster has answered it: somebody else has taken the victim's partitions over, the server is back.
- Everything waits for conditions; one that does not come true within `SOON_S` fails the test with the logs' ends.
"""

import random
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Protocol

from services.process import until
from tests.cluster.fleet import GONE_S, SOON_S, Fleet, StageWorker
from tests.cluster.producers import Producers
from tests.cluster.standing import MAIN, Standing
from tests.cluster.stream import Line, parts

SHARED = ("ingest", "heat", "profile", "label")
"""Stages of several partitions."""
PILE_S = 2.0
"""What input may take to pile up before a worker that is not yet to lose its session."""


class Counts(NamedTuple):
    """How many incidents of each kind; `scaled` is of workers added, and again of workers taken away."""

    kills: int = 2
    zombies: int = 1
    scaled: int = 1
    redis: int = 1
    broker: int = 0
    moved: int = 0
    zombie_learners: int = 1


class Incident(NamedTuple):
    """kind: a method of the director. stage: whom it hits."""

    kind: str
    stage: str


class Server(Protocol):
    """What can be killed and restarted: a part of the services."""

    def kill(self) -> None: ...
    def start(self) -> object: ...
    def restart(self) -> None: ...


def programme(counts: Counts, rng: random.Random) -> list[Incident]:
    """The incidents in their order; a stage loses a worker only after it was given one more."""
    killed = ("heat", "label", "ingest", "profile", "learn", "archive")
    kinds = [Incident("kill", killed[n % len(killed)]) for n in range(counts.kills)]
    kinds += [Incident("zombie", rng.choice(SHARED)) for _ in range(counts.zombies)]
    kinds += [Incident("redis_killed", "heat")] * counts.redis + [Incident("broker_restarted", "heat")] * counts.broker
    kinds += [Incident("learner_moved", "learn")] * counts.moved
    kinds += [Incident("zombie", "learn")] * counts.zombie_learners
    kinds += [Incident("", "")] * 2 * counts.scaled
    rng.shuffle(kinds)
    stages = [stage for stage in rng.choices(SHARED, k=counts.scaled) for _ in range(2)]
    places = [place for place, one in enumerate(kinds) if not one.kind]
    for turn, (place, stage) in enumerate(zip(places, stages, strict=True)):
        kinds[place] = Incident("removed" if turn % 2 else "added", stage)
    return kinds


class Director:
    """Runs the workers, the producers and the incidents, and keeps the minutes."""

    def __init__(
        self, fleet: Fleet, standing: Standing, producers: Producers, store: Server, broker: Server, rng: random.Random
    ) -> None:
        self.fleet, self.standing, self.producers = fleet, standing, producers
        self._store, self._broker, self._rng = store, broker, rng
        self._begun_s = time.monotonic()
        self.minutes: list[str] = []
        self.faults: list[str] = []

    def note(self, what: str) -> None:
        """Put something into the minutes."""
        self.minutes.append(f"{time.monotonic() - self._begun_s:6.1f} s  {what}")
        (self.fleet.folder / "minutes.txt").write_text("\n".join(self.minutes), encoding="utf-8")

    def await_(self, condition: Callable[[], bool], what: str, but: Sequence[str] = ()) -> None:
        """Wait for a condition. No worker may end meanwhile. but: what stands against it, kept up to date."""
        if not until(lambda: bool(self.fleet.fallen()) or condition(), SOON_S):
            raise self._given_up(f"after {SOON_S:.0f} s still not: {what}; {', '.join(but)}", self.fleet.workers)
        if fallen := self.fleet.fallen():
            raise self._given_up(f"ended by itself: {', '.join(one.name for one in fallen)}", fallen)

    def _given_up(self, why: str, workers: Sequence[StageWorker]) -> AssertionError:
        logs = (f"--- {one.name}\n{one.tail()}" for one in workers if not one.ended)
        return AssertionError("\n".join([why, *self.minutes, *logs]))

    def play(self, incidents: Sequence[Incident], lines: list[Line]) -> None:
        """The whole run: lines are produced from before the workers begin until after the last incident."""
        first, *shares = parts(lines, len(incidents) + 1)
        feeding = self.producers.begin(first)
        self.begin()
        feeding.end()
        for incident, share in zip(incidents, shares, strict=True):
            self.run(incident, share)
        self.drain()
        self.end()

    def begin(self) -> None:
        """Two workers a stage, one archiver; all of them know what they have to do."""
        for stage in MAIN:
            for _ in range(1 if stage == "archive" else 2):
                self.fleet.start(stage)
        self.await_(lambda: all(one.assignments for one in self.fleet.workers), "every worker is in its group")
        self.await_(
            lambda: all(len(self.fleet.at_work(stage)) == 2 for stage in SHARED), "both workers have partitions"
        )
        self.note(f"{len(self.fleet.workers)} workers are at work")

    def run(self, incident: Incident, lines: list[Line]) -> None:
        """Produce some lines, and while they are worked on let something happen."""
        since = self.standing.offsets(incident.stage)
        feeding = self.producers.begin(lines)
        self._await_move(incident.stage, since)
        getattr(self, incident.kind)(incident.stage)
        feeding.end()

    def kill(self, stage: str) -> None:
        """SIGKILL in the middle of a turn; another process takes the place."""
        victim = self._victim(stage)
        self._stop_at_work(victim)
        self.fleet.kill(victim)
        heir = self.fleet.start(stage)
        epochs = self._epochs(victim)
        self.note(f"{victim.name} is killed with {victim.partitions}; {heir.name} begins")
        self._await_takeover(victim, epochs)

    def zombie(self, stage: str) -> None:
        """SIGSTOP until others have its partitions, then SIGCONT: it goes on where it was."""
        victim = self._victim(stage)
        self._stop_at_work(victim)
        epochs, given, refused = self._epochs(victim), len(victim.assignments), victim.refusals
        self.note(f"{victim.name} is stopped with {victim.partitions}")
        self._await_takeover(victim, epochs)
        if stage == "learn":
            self.await_(lambda: self.standing.at_end(stage), "the new learner has learned and committed everything")
        victim.process.send_signal(signal.SIGCONT)
        self.await_(lambda: len(victim.assignments) > given, f"{victim.name} is in its group again")
        self.note(f"{victim.name} went on as a zombie, and was refused {victim.refusals - refused} times")

    def _stop_at_work(self, victim: StageWorker) -> None:
        """SIGSTOP in the middle of a turn: input piles up first, and at its first commit the other turns are on.

        An outbox is full then, too. A learner is stopped when it has published what it learned, and not committed it.
        """
        topic, numbers = MAIN[victim.stage], [number for _, number in victim.partitions]
        victim.process.send_signal(signal.SIGSTOP)
        before = self.standing.ends(topic)
        until(lambda: all(self.standing.ends(topic)[one] > before[one] for one in numbers), PILE_S)
        since = self._signs(victim.stage)
        victim.process.send_signal(signal.SIGCONT)
        _spin(lambda: any(self._signs(victim.stage)[one] > since[one] for one in numbers), PILE_S)
        victim.process.send_signal(signal.SIGSTOP)

    def _signs(self, stage: str) -> list[int]:
        """What shows that a stage is at work, by partition."""
        return self.standing.ends("weights") if stage == "learn" else self.standing.offsets(stage)

    def added(self, stage: str) -> None:
        """One more worker."""
        worker = self.fleet.start(stage)
        self.await_(lambda: bool(worker.partitions), f"{worker.name} has partitions")
        self.note(f"{worker.name} is added, with {worker.partitions}")

    def removed(self, stage: str) -> None:
        """SIGTERM to one with partitions."""
        victim = self._victim(stage)
        epochs = self._epochs(victim)
        ((_, took_s),) = self.fleet.end(victim)
        self.note(f"{victim.name} is told to end, and gone after {took_s:.1f} s")
        if took_s > GONE_S:
            self.faults.append(f"{victim.name} took {took_s:.1f} s to end")
        self._await_takeover(victim, epochs)

    def redis_killed(self, _stage: str) -> None:
        """SIGKILL; it comes back with its append-only file."""
        self._store.kill()
        self._store.start()
        self.note("the store was killed, and is back with its append-only file")

    def broker_restarted(self, _stage: str) -> None:
        """In order."""
        self._broker.restart()
        self.note("the broker was restarted")

    def learner_moved(self, stage: str) -> None:
        """All learners are killed; new ones begin on an empty disk, with the registry somewhere else, too."""
        victim = self._victim(stage)
        for one in self.fleet.of(stage):
            self.fleet.kill(one)
        registry = Path(self.fleet.environ["RTREC_REGISTRY_URL"])
        registry = registry.rename(registry.with_name(f"{registry.name}-moved"))
        self.fleet.environ["RTREC_REGISTRY_URL"] = str(registry)
        epochs = self._epochs(victim)
        for _ in range(2):
            self.fleet.start(stage)
        self.note(f"{victim.name} is killed; the learners move to an empty disk, the registry to {registry.name}")
        self._await_takeover(victim, epochs)

    def drain(self) -> None:
        """Wait until everything is worked off, twice over: nothing comes after it."""
        behind = ["nobody has looked yet"]

        def settled() -> bool:
            with suppress(OSError):
                behind[:] = self.standing.behind() or self.standing.behind()
            return not behind

        self.await_(settled, "every stage is at its topic's end", behind)
        self.note("everything is worked off")

    def end(self) -> None:
        """SIGTERM to all that are left."""
        for worker, took_s in self.fleet.end(*(one for one in self.fleet.workers if not one.ended)):
            if took_s > GONE_S:
                self.faults.append(f"{worker.name} took {took_s:.1f} s to end")
        self.note("all workers have ended")

    def _await_move(self, stage: str, since: list[int]) -> None:
        self.await_(lambda: self.standing.moved(stage, since), f"{stage} goes on from {since}")

    def _victim(self, stage: str) -> StageWorker:
        self.await_(lambda: bool(self.fleet.at_work(stage)), f"some worker of {stage} has partitions")
        return self._rng.choice(self.fleet.at_work(stage))

    def _epochs(self, victim: StageWorker) -> dict[tuple[str, int], int]:
        return {place: self.standing.epoch(victim.stage, place[1]) for place in victim.partitions}

    def _await_takeover(self, victim: StageWorker, epochs: dict[tuple[str, int], int]) -> None:
        self.await_(lambda: self._taken_over(victim.stage, epochs), f"others have what {victim.name} had")

    def _taken_over(self, stage: str, epochs: dict[tuple[str, int], int]) -> bool:
        return all(self.standing.epoch(stage, place[1]) > before for place, before in epochs.items())


def _spin(condition: Callable[[], bool], seconds: float) -> None:
    """Wait without a pause, for what is over in milliseconds; no longer than so long."""
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s and not condition():
        pass
