"""The embedded host: log, all stages and store in one process, a micro-batch in one transaction.

Rules
-----
- One partition a topic: the order of events is total, so state is a function of the log also live.
- A step reads, lets the journey work in memory, and commits everything it left (state of every stage, read
  offsets, dead letters, examples) in one SQLite transaction, with the owners' epochs as fences.
- A step that fails throws the journey away; the next one starts from the store.
"""

import hashlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, Self

import msgspec

from rtrec.labels.exposure import ScoredRow
from rtrec.ports import Bounds, NewRecord, Owner, Verdict
from rtrec.runtime import journey
from rtrec.runtime.folder import CONTROL, DEAD_LETTERS, EVENTS, EXAMPLES, SCORED, FILE, TICKS, Folder, is_served, locked
from rtrec.runtime.journey import HEAT, OWNERS, Journey, Turn
from rtrec.runtime.knowledge import Knowledge
from rtrec.runtime.retention import trim
from rtrec.runtime.serving import Serving
from rtrec.settings import Settings
from rtrec.stages import dead_letters
from rtrec.stages.heat import newest_of, rerank
from rtrec.stages.messages import Record

SIDE_RECORDS: Final = 5_000
TRIM_EVERY_STEPS: Final = 200
RERANK_ANCHORS: Final = 2_000
_decode_scored = msgspec.msgpack.Decoder(list[ScoredRow]).decode


class Fenced(RuntimeError):
    """The store refused a commit: another host has taken this folder over, or offsets do not fit."""


def now_ms() -> int:
    """The wall clock."""
    return time.time_ns() // 1_000_000


class Reader:
    """What can be read of a folder without working on it."""

    def __init__(self, folder: Folder, settings: Settings) -> None:
        self.folder, self.settings = folder, settings
        self.serving = Serving(Knowledge(settings, folder.store, now_ms), self._append_one, self.append_lines)

    @classmethod
    def read(cls, path: Path, settings: Settings) -> Self:
        """Open a folder that another process may work on; FileNotFoundError where there is none."""
        if not (path / FILE).exists():
            msg = f"{path}: no rtrec data here; `rtrec replay` or `rtrec up` with --data makes it"
            raise FileNotFoundError(msg)
        reader = cls(Folder(path), settings)
        reader.served = is_served(path)
        return reader

    served = False
    """Whether another process works on the folder."""

    def append(self, topic: str, records: Sequence[NewRecord], *, durable: bool = True) -> int:
        """Append records to a topic; durable (fsynced) when it returns unless told otherwise."""
        with self.folder.database.transaction(durable=durable):
            return self.folder.log.append(topic, 0, records, now_ms())

    def append_lines(self, lines: Sequence[bytes], *, durable: bool = True) -> int:
        """Append raw events to `events`; an oversized one is cut before it is stored. Returns the first offset."""
        records = [NewRecord(value, None, headers) for value, headers in map(dead_letters.cut, lines)]
        return self.append(EVENTS, records, durable=durable)

    def _append_one(self, topic: str, key: bytes, value: bytes) -> int:
        return self.append(topic, [NewRecord(value, key)])

    def newest_ms(self) -> int:
        """Newest accepted event time, 0 before the first."""
        stored = self.folder.store.get(HEAT, ["meta"])[0]
        return 0 if stored is None else newest_of(stored)

    def digest(self) -> dict[str, Any]:
        """SHA-256 over canonical state, whole and by part."""
        whole, parts = hashlib.sha256(), dict[str, Any]()
        for part, data in journey.canonical(self.settings, self.folder.store.scan):
            for one in (whole, parts.setdefault(part, hashlib.sha256())):
                one.update(part.encode() + len(data).to_bytes(8, "little") + data)
        return {"digest": whole.hexdigest(), "parts": {part: one.hexdigest() for part, one in sorted(parts.items())}}

    def dead_letters(self, limit: int, offset: int | None = None) -> list[dict[str, Any]]:
        """Dead letters from an offset on (None: from the oldest kept), in the order they came."""
        start = self.folder.log.bounds(DEAD_LETTERS, 0).start
        records = self.folder.log.read(DEAD_LETTERS, 0, max(start, offset or 0), limit)
        return [_letter_json(record) for record in records]

    def requeue(self, offsets: Iterable[int]) -> dict[str, Any]:
        """Append whole dead letters to `events` again; those that were cut, or are gone, are refused with a reason."""
        done, refused = 0, []
        for offset in offsets:
            record = _at(self.folder, offset)
            letter = None if record is None else dead_letters.decode(record.value)
            if letter is None or not letter.whole:
                reason = "there is no dead letter at this offset" if letter is None else "only its first 64 KiB were kept"
                refused.append({"offset": offset, "reason": reason})
                continue
            self.append(EVENTS, [NewRecord(letter.original)])
            done += 1
        return {"requeued": done, "refused": refused}

    def close(self) -> None:
        """Close the folder."""
        self.folder.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class Host(Reader):
    """The host. One process per folder; any thread may append, one thread steps."""

    def __init__(self, folder: Folder, settings: Settings, stack: ExitStack) -> None:
        super().__init__(folder, settings)
        self._stack = stack
        self._leases = {owner: folder.store.acquire(owner).epoch for owner in OWNERS}
        self._turns = threading.RLock()
        self.counts: Counter[tuple[str, str]] = Counter()
        self.reasons: Counter[str] = Counter()
        self.steps = 0
        self.wake = threading.Event()
        self.on_turn: Callable[[int, int], None] = lambda first_ms, last_ms: None
        self._load()

    @classmethod
    def open(cls, path: Path, settings: Settings) -> Self:
        """Open a folder to work on; FolderBusy when another process does."""
        stack = ExitStack()
        try:
            stack.enter_context(locked(path))
            return cls(Folder.open(path), settings, stack)
        except BaseException:
            stack.close()
            raise

    def append(self, topic: str, records: Sequence[NewRecord], *, durable: bool = True) -> int:
        """As `Reader.append`, and wake the host."""
        first = super().append(topic, records, durable=durable)
        self.wake.set()
        return first

    def reload(self, settings: Settings) -> None:
        """Take settings that may change live: every anchor is ranked anew under new heat weights."""
        with self._turns:
            rerank = settings.heat.weights != self.settings.heat.weights
            self.settings = settings
            self.journey.change_rules(settings)
            self.serving.known.change(settings)
            if rerank:
                self._rerank()

    def _rerank(self) -> None:
        state = self.journey.heat
        anchors = [key[2:] for key, _ in self.folder.store.scan(HEAT, "a/")]
        for begin in range(0, len(anchors), RERANK_ANCHORS):
            keys = [f"{kind}/{one}" for one in anchors[begin : begin + RERANK_ANCHORS] if one not in state.table.slots for kind in "am"]
            state.admit(keys, self.folder.store.get(HEAT, keys))
            turn = Turn()
            turn.add(HEAT, rerank(state, anchors[begin : begin + RERANK_ANCHORS]))
            self._commit(turn, {})

    def close(self) -> None:
        """Store the figures, fold the log into the file, free the folder."""
        with self._turns:
            turn = Turn()
            self.journey.finish(turn, figures=True)
            self._commit(turn, {})
        super().close()
        self._stack.close()

    def _load(self) -> None:
        store = self.folder.store
        self.journey = Journey(self.settings, store.scan, store.get)
        self._next = {
            topic: store.offsets(owner).get(topic, 0)
            for owner, topics in _INPUTS.items() for topic in topics
        }  # fmt: skip

    @property
    def epoch(self) -> int:
        """The learner's epoch, the first part of its weights' version."""
        return self._leases[journey.LEARN]

    @property
    def turns(self) -> threading.RLock:
        """Held while the journey's memory changes."""
        return self._turns

    def lag(self) -> int:
        """Events in the log that are not committed."""
        return self.folder.log.bounds(EVENTS, 0).end - self._next[EVENTS]

    def step(self, *, tick_ms: int | None = None) -> int:
        """Take one micro-batch through all stages and commit it. Returns how many messages were read."""
        with self._turns:
            try:
                return self._step(tick_ms)
            except BaseException:
                self._load()
                raise

    def drain(self) -> int:
        """Step until nothing is left to read. Returns how many messages were read."""
        total = 0
        while done := self.step():
            total += done
        return total

    def _step(self, tick_ms: int | None) -> int:
        turn, inputs = Turn(), dict[str, tuple[int, int]]()
        control = self._read(CONTROL, SIDE_RECORDS, inputs)
        self.journey.control_turn(control, turn)
        scored = self._read(SCORED, SIDE_RECORDS, inputs)
        self.journey.scored_turn([row for record in scored for row in _decode_scored(record.value)], turn)
        events = self._read(EVENTS, self.settings.log.batch_events, inputs)
        self.journey.event_turn(events, EVENTS, turn)
        ticks = self._read(TICKS, SIDE_RECORDS, inputs)
        if ticks:
            self.journey.tick_turn(int(ticks[-1].value), turn)
        if not inputs:
            return 0
        self.journey.finish(turn)
        self._commit(turn, inputs)
        self.committed(turn)
        return len(control) + len(scored) + len(events) + len(ticks)

    def _read(self, topic: str, limit: int, inputs: dict[str, tuple[int, int]]) -> list[Record]:
        first = self._next[topic]
        records = self.folder.log.read(topic, 0, first, limit)
        if records:
            inputs[topic] = (first, records[-1].offset + 1)
        return records

    def _commit(self, turn: Turn, inputs: dict[str, tuple[int, int]]) -> None:
        log, store = self.folder.log, self.folder.store
        with self.folder.database.transaction(durable=False):
            if turn.dead_letters:
                letters = [NewRecord(dead_letters.encode(letter)) for letter in turn.dead_letters]
                log.append(DEAD_LETTERS, 0, letters, now_ms())
            if turn.example_chunk is not None:
                first = log.append(EXAMPLES, 0, [NewRecord(turn.example_chunk)], now_ms())
                inputs = {**inputs, EXAMPLES: (first, first + 1)}
            for owner in OWNERS:
                mine = {topic: inputs[topic] for topic in _INPUTS.get(owner, ()) if topic in inputs}
                verdict = store.commit(owner, self._leases[owner], mine, turn.writes[owner])
                if verdict is not Verdict.OK:
                    msg = f"{owner}: the store answered {verdict.value} to epoch {self._leases[owner]} and {mine}"
                    raise Fenced(msg)
        self._next.update({topic: next_ for topic, (_, next_) in inputs.items()})

    def committed(self, turn: Turn) -> None:
        """What follows a commit: what serving knows, counts, retention."""
        known = self.serving.known
        if known.followed:
            known.view.apply(turn.writes[HEAT].puts, self.journey.heat.newest_ms)
            known.users_ms = self.journey.profile.newest_ms
        self.counts.update(turn.counts)
        self.reasons.update(dead_letters.reason_class(letter.reason) for letter in turn.dead_letters)
        self.on_turn(turn.first_ms, turn.last_ms)
        self.steps += 1
        if self.steps % TRIM_EVERY_STEPS == 0:
            trim(self.folder.log, self.settings.log, self._next, now_ms())

    def totals(self) -> dict[str, int]:
        """What this process has taken: events = accepted + duplicates + dead_letters."""
        count = self.counts
        accepted, duplicates = count["heat", "accepted"], count["heat", "duplicate"]
        letters = count["ingest", "rejected"] + count["heat", "too_late"] + count["heat", "unknown_reversal"]
        return {
            "events": accepted + duplicates + letters, "accepted": accepted, "duplicates": duplicates, "dead_letters": letters,
        }  # fmt: skip


_INPUTS: Final[dict[Owner, tuple[str, ...]]] = {
    journey.INGEST: (EVENTS,),
    journey.CONTROL: (CONTROL,),
    journey.LABEL: (SCORED, TICKS),
    journey.LEARN: (EXAMPLES,),
}


def _at(folder: Folder, offset: int) -> Record | None:
    bounds: Bounds = folder.log.bounds(DEAD_LETTERS, 0)
    if not bounds.start <= offset < bounds.end:
        return None
    return next(iter(folder.log.read(DEAD_LETTERS, 0, offset, 1)), None)


def _letter_json(record: Record) -> dict[str, Any]:
    letter = dead_letters.decode(record.value)
    return {
        "offset": record.offset, "reason": letter.reason, "topic": letter.topic, "partition": letter.partition,
        "source_offset": letter.offset, "length": letter.length, "sha256": letter.sha256.hex(), "whole": letter.whole,
        "original": letter.original[:1_024].decode("utf-8", "replace"),
    }  # fmt: skip


