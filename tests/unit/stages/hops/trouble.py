"""A chain whose workers crash, hang and come back as zombies, in a seeded order.

Rules
-----
- Whatever is visible of a turn may be the last of it: a part of its messages, its commit, a part of its outbox.
- A publication may fail: some of its messages are in their topics, in any order.
- A zombie goes on with its turn after others have taken its owner over. What was once sent may be sent again.
"""

import random
from collections.abc import Iterator, Sequence
from itertools import chain as one_after_another

from rtrec.ports import Owner
from rtrec.stages.hops.hop import Message
from tests.unit.stages.hops.chain import Calm, Chain, Fenced, Lost, Worker
from tests.unit.stages.hops.learner import LEARN, Learner, Registry

OUTSIDE = frozenset({"events", "control", "scored", "ticks", "weights", "dead_letters"})
"""Topics that the chain does not send to, or whose order is for scorers and people alone."""


class Trouble:
    """Seeded. often: the share of visible moments at which something happens.

    happened: how often what did. registry: the learner's snapshots.
    """

    def __init__(self, chain: Chain, seed: int, often: float = 0.2) -> None:
        self.chain, self.registry = chain, Registry()
        self.happened = {"crash": 0, "zombie": 0, "wake": 0, "again": 0, "lost": 0, "fenced": 0}
        self._rng, self._often = random.Random(seed), often
        self._workers: dict[Owner, Worker | Learner] = {}
        self._zombies: list[Iterator[None]] = []
        self._failing: set[str] = set()
        chain.delivery = self._deliver

    def run(self, turns: int) -> None:
        """So many turns of owners drawn at random."""
        for _ in range(turns):
            self._turn(self._rng.choice([*self.chain.owners, LEARN]))

    def settle(self) -> Learner:
        """The zombies end, and new workers that nothing happens to take everything that is left."""
        often, self._often = self._often, 0.0
        while self._zombies:
            self._go_on(len(self._zombies) - 1, self._rng.randrange(1, 5))
        self._workers = {}
        Calm(self.chain).drain()
        learner = Learner(self.chain, self.registry)
        list(learner.turn(10_000))
        self._often = often
        return learner

    def _turn(self, owner: Owner) -> None:
        doing = self._doing(owner)
        while self._step(doing):
            what = self._drawn()
            if what in {"crash", "zombie"}:
                self._workers.pop(owner, None)
                if what == "zombie":
                    self._zombies.append(doing)
                return

    def _doing(self, owner: Owner) -> Iterator[None]:
        limit, worker = self._rng.choice([1, 2, 5, 20]), self._workers.get(owner)
        if worker is not None:
            return self._guarded(owner, worker.turn(limit))
        worker = Learner(self.chain, self.registry) if owner == LEARN else Worker(self.chain, owner)
        self._workers[owner] = worker
        return self._guarded(owner, one_after_another(worker.begin(), worker.turn(limit)))

    def _guarded(self, owner: Owner, doing: Iterator[None]) -> Iterator[None]:
        """A turn; the worker is thrown away when it fails."""
        worker = self._workers[owner]
        try:
            yield from doing
        except (Fenced, Lost) as error:
            self.happened["fenced"] += isinstance(error, Fenced)
            if self._workers.get(owner) is worker:
                del self._workers[owner]

    def _drawn(self) -> str | None:
        """What happens at this moment, if anything; what concerns others is done."""
        if self._rng.random() >= self._often:
            return None
        what = self._rng.choice(["crash", "crash", "zombie", "wake", "wake", "again"])
        if what == "wake" and self._zombies:
            self._go_on(self._rng.randrange(len(self._zombies)), self._rng.randrange(1, 5))
        elif what == "again":
            self._again()
        self.happened[what] += 1
        return what

    def _go_on(self, place: int, steps: int) -> None:
        zombie = self._zombies[place]
        for _ in range(steps):
            if not self._step(zombie):
                self._zombies.remove(zombie)
                return

    @staticmethod
    def _step(doing: Iterator[None]) -> bool:
        """Up to the next moment that is visible; whether there is one."""
        return next(doing, False) is None

    def _again(self) -> None:
        """Send something once more."""
        topics = [topic for topic, records in self.chain.topics.items() if records and topic[0] not in OUTSIDE]
        if topics:
            topic, partition = self._rng.choice(sorted(topics))
            record = self._rng.choice(self.chain.topics[topic, partition])
            self.chain.append(Message(topic, partition, record.value, key=record.key, headers=record.headers))

    def _deliver(self, messages: Sequence[Message]) -> Iterator[Message]:
        """All, those of one partition in order; or some, and then it has failed, and the next will as like as not."""
        if not messages:
            return
        topic = messages[0].topic
        if self._often and self._rng.random() < (0.5 if topic in self._failing else self._often / 3):
            self._failing.add(topic)
            self.happened["lost"] += 1
            yield from self._rng.sample(messages, self._rng.randrange(len(messages) + 1))
            raise Lost
        self._failing.discard(topic)
        partitions = sorted({message[:2] for message in messages})
        for one in self._rng.sample(partitions, len(partitions)):
            yield from (message for message in messages if message[:2] == one)
