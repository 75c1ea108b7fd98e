"""The stages as hops over topics in memory, driven as a worker drives them: publish, commit, publish what was decided.

Rules
-----
- A turn is an iterator that stops after each thing the world can see, so that a test can leave it there: for ever
  (a crash), or for a while (a zombie).
- A worker that fails is thrown away; the next one takes a new epoch and loads from the store. Only a failed sending of
  the outbox is no reason to.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from rtrec.ports import Lease, Owner, Verdict
from rtrec.settings import Settings
from rtrec.stages.effects import Writes
from rtrec.stages.hops.heat import USER_EVENTS, HeatHop
from rtrec.stages.hops.hop import Batch, Hop, Message
from rtrec.stages.hops.ingest import ANCHOR_EVENTS, IngestHop
from rtrec.stages.hops.label import SCORED, TICKS, LabelHop
from rtrec.stages.hops.profile import CONTROL, PROFILED, ProfileHop
from rtrec.stages.messages import Record

EVENTS: Final = "events"
APPENDED_MS: Final = 2_000_000_000_000
INPUTS: Final = {
    "ingest": (EVENTS,),
    "heat": (ANCHOR_EVENTS,),
    "profile": (USER_EVENTS, CONTROL),
    "label": (PROFILED, CONTROL, SCORED, TICKS),
}
"""By stage: the topics it reads, the main one first. `control` has one partition, the others the owner's."""


class Fenced(Exception):
    """The store refused a commit."""


class Lost(Exception):
    """Not everything that was sent was acknowledged."""


class Store:
    """Records and offsets by owner, with the fence and the verdicts of `ports`."""

    def __init__(self) -> None:
        self.records: dict[Owner, dict[str, bytes]] = defaultdict(dict)
        self.positions: dict[Owner, dict[str, int]] = defaultdict(dict)
        self.epochs: Counter[Owner] = Counter()

    def acquire(self, owner: Owner) -> Lease:
        self.epochs[owner] += 1
        return Lease(self.epochs[owner], dict(self.positions[owner]))

    def get(self, owner: Owner, keys: Sequence[str]) -> list[bytes | None]:
        return [self.records[owner].get(key) for key in keys]

    def scan(self, owner: Owner, prefix: str = "") -> Iterator[tuple[str, bytes]]:
        return iter(sorted(item for item in self.records[owner].items() if item[0].startswith(prefix)))

    def commit(self, owner: Owner, epoch: int, inputs: Mapping[str, tuple[int, int]], writes: Writes) -> Verdict:
        """Write, or say why not. GAP and OVERLAP are a bug of whoever commits here."""
        stored = self.positions[owner]
        if epoch < self.epochs[owner]:
            return Verdict.FENCED
        assert all(first == stored.get(topic, 0) for topic, (first, _) in inputs.items())
        self.write(owner, writes)
        stored.update({topic: next_ for topic, (_, next_) in inputs.items()})
        return Verdict.OK

    def write(self, owner: Owner, writes: Writes) -> None:
        for key, value in writes.puts.items():
            if value is None:
                self.records[owner].pop(key, None)
            else:
                self.records[owner][key] = value


class Chain:
    """Topics, a store, and the owners that work on them.

    committed: the micro-batches of each owner that the store took, in order. delivery: the messages of a publication
    as they get into their topics; it raises `Lost` when some did not.
    """

    def __init__(self, settings: Settings, sources: int = 1) -> None:
        self.settings, self.store = settings, Store()
        self.topics: dict[tuple[str, int], list[Record]] = defaultdict(list)
        self.committed: dict[Owner, list[Batch]] = defaultdict(list)
        self.delivery: Callable[[Sequence[Message]], Iterable[Message]] = lambda messages: messages
        partitions = settings.cluster.partitions
        counts = {"ingest": sources, "heat": partitions, "profile": partitions, "label": partitions}
        self.owners = [Owner(stage, k) for stage, count in counts.items() for k in range(count)]

    def append(self, message: Message) -> None:
        """Put a message at the end of its topic."""
        records = self.topics[message.topic, message.partition]
        records.append(Record(len(records), APPENDED_MS, message.key, message.value, message.headers))

    def send(self, topic: str, values: Iterable[bytes], partition: int = 0) -> None:
        """What comes from outside."""
        for value in values:
            self.append(Message(topic, partition, value))

    def make_hop(self, owner: Owner) -> Hop:
        """An owner's hop as it begins."""
        stage, partition = owner
        match stage:
            case "ingest":
                return IngestHop(self.settings, EVENTS, partition)
            case "heat":
                return HeatHop(self.settings, partition)
            case "profile":
                return ProfileHop(self.settings, partition)
        return LabelHop(self.settings, partition)


class Worker:
    """One owner's worker, from its take-over on."""

    def __init__(self, chain: Chain, owner: Owner) -> None:
        self._chain, self._owner = chain, owner
        lease = chain.store.acquire(owner)
        self._epoch, self._next = lease.epoch, dict(lease.offsets)
        self.hop = chain.make_hop(owner)
        stored = (item for prefix in self.hop.prefixes for item in chain.store.scan(owner, prefix))
        self.hop.load(dict(stored))

    def begin(self) -> Iterator[None]:
        """Send what is committed and not known to be published."""
        yield from self._send_outbox()

    def turn(self, limit: int) -> Iterator[None]:
        """One micro-batch of at most `limit` messages of the main topic, and all there is of the others."""
        chain, owner = self._chain, self._owner
        batch = self._read(limit)
        inputs = {topic: (self._next.get(topic, 0), some[-1].offset + 1) for topic, some in batch.items() if some}
        if not inputs:
            return
        keys = self.hop.prepare(batch)
        turn = self.hop.turn(keys, chain.store.get(owner, keys))
        assert len({message[:2] for message in turn.messages if message.key is None}) == sum(
            message.key is None for message in turn.messages
        ), "two messages to one partition"
        for message in chain.delivery(turn.messages):
            chain.append(message)
            yield
        if chain.store.commit(owner, self._epoch, inputs, turn.writes) is not Verdict.OK:
            raise Fenced
        self._next |= {topic: next_ for topic, (_, next_) in inputs.items()}
        chain.committed[owner].append(batch)
        yield
        yield from self._send_outbox()

    def _send_outbox(self) -> Iterator[None]:
        try:
            for message in self._chain.delivery(self.hop.outbox()):
                self._chain.append(message)
                yield
        except Lost:
            return  # it waits, and goes out again after the next commit
        self.hop.published()

    def _read(self, limit: int) -> dict[str, list[Record]]:
        main, *sides = INPUTS[self._owner.stage]
        batch = {main: self._since(main)[:limit]}
        return batch | {topic: self._since(topic) for topic in sides}

    def _since(self, topic: str) -> list[Record]:
        partition = 0 if topic == CONTROL else self._owner.partition
        return self._chain.topics[topic, partition][self._next.get(topic, 0) :]


class Calm:
    """Workers that nothing happens to. sizes: the most messages of each micro-batch, over and over."""

    def __init__(self, chain: Chain, sizes: Sequence[int] = (1_000,)) -> None:
        self._chain, self._sizes, self._turns = chain, sizes, 0
        self._workers: dict[Owner, Worker] = {}

    def turn(self, owner: Owner) -> bool:
        """One micro-batch of an owner; whether there was anything to do."""
        began = []
        if owner not in self._workers:
            self._workers[owner] = Worker(self._chain, owner)
            began = list(self._workers[owner].begin())
        self._turns += 1
        return bool(list(self._workers[owner].turn(self._sizes[self._turns % len(self._sizes)])) or began)

    def drain(self) -> None:
        """Turns of all owners until nothing is left to read."""
        while sum(self.turn(owner) for owner in self._chain.owners):
            pass
