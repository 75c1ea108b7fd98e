"""The embedded host: log, all stages and store in one process, a micro-batch in one transaction.

Rules
-----
- One partition a topic: the order of events is total, so state is a function of the log also live.
- A step reads, lets the journey work in memory, and commits everything it left (state of every stage, read
  offsets, dead letters, examples) in one SQLite transaction, with the owners' epochs as fences.
- A step that fails throws the journey away; the next one starts from the store.
"""

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final, Self

from rtrec.labels import scored as scored_messages
from rtrec.ports import NewRecord, Owner, Verdict
from rtrec.runtime import journey
from rtrec.runtime.folder import CONTROL, DEAD_LETTERS, EVENTS, EXAMPLES, SCORED, TICKS, Folder, locked
from rtrec.runtime.journey import HEAT, OWNERS, Journey, Turn
from rtrec.runtime.pages import pages
from rtrec.runtime.reader import Reader, now_ms
from rtrec.runtime.retention import trim
from rtrec.settings import Settings
from rtrec.stages import dead_letters
from rtrec.stages.heat_ranking import rerank
from rtrec.stages.messages import Record

SIDE_RECORDS: Final = 5_000
TRIM_EVERY_STEPS: Final = 200
RERANK_ANCHORS: Final = 1_000
KEPT_TIMINGS: Final = 10_000
"""(events, commit time in ms) of steps since the last scrape; more are forgotten, oldest first."""
_log = logging.getLogger("rtrec.host")


class TooManyRefused(RuntimeError):
    """The share of refused events is past its cap, and `dead_letters.on_cap` is "stop"."""


class Fenced(RuntimeError):
    """The store refused a commit: another host has taken this folder over, or offsets do not fit."""


class Host(Reader):
    """The host. One process per folder; any thread may append, one thread steps."""

    def __init__(self, folder: Folder, settings: Settings, stack: ExitStack) -> None:
        super().__init__(folder, settings)
        self._stack = stack
        self._leases = {owner: folder.store.acquire(owner).epoch for owner in OWNERS}
        self._turns = threading.RLock()
        self.counts: Counter[tuple[str, str]] = Counter()
        self.reasons: Counter[str] = Counter()
        self.steps = self.rearm_ms = 0
        self._alarm = self._closed = False
        self.timings: deque[tuple[int, float]] = deque(maxlen=KEPT_TIMINGS)
        self.wake = threading.Event()
        self.on_turn: Callable[[Turn], None] = lambda _: None
        self._load()

    @classmethod
    def open(cls, path: Path, settings: Settings) -> Self:
        """Open a folder to work on; FolderBusy when another process does."""
        stack = ExitStack()
        try:
            stack.enter_context(locked(path))
            folder = Folder.open(path)
            stack.callback(folder.close)
            return cls(folder, settings, stack)
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
        store = self.folder.store
        for records in pages(store.scan(HEAT, "a/"), RERANK_ANCHORS):
            turn = Turn()
            turn.add(HEAT, rerank(records, self.journey.heat.rules))
            self._commit(turn, {})

    def note(self, puts: Mapping[str, bytes | None]) -> None:
        """Commit records of the learner's, between steps."""
        with self._turns:
            turn = Turn()
            turn.writes[journey.LEARN].puts.update(puts)
            self._commit(turn, {})

    def forget(self) -> None:
        """Throw the journey's memory away, and go on from what is stored."""
        with self._turns:
            self._load()

    def close(self) -> None:
        """Store the figures, fold the log into the file, free the folder. A second call does nothing."""
        with self._turns:
            if self._closed:
                return
            self._closed = True
            with self._stack:  # closes the folder and frees it, also where the last commit is refused
                turn = Turn()
                self.journey.finish(turn, figures=True)
                self._commit(turn, {})

    def _load(self) -> None:
        store = self.folder.store
        self.journey = Journey(self.settings, store.scan, store.get, self.examples)
        self._next = {
            topic: store.offsets(owner).get(topic, 0)
            for owner, topics in _INPUTS.items() for topic in topics
        }  # fmt: skip

    @property
    def epoch(self) -> int:
        """The learner's epoch, the first part of its weights' version."""
        return self._leases[journey.LEARN]

    def lag(self) -> int:
        """Events in the log that are not committed."""
        return self.folder.log.bounds(EVENTS, 0).end - self._next[EVENTS]

    def step(self) -> int:
        """Take one micro-batch through all stages and commit it. Returns how many messages were read."""
        with self._turns:
            try:
                return self._step()
            except BaseException:
                self._load()
                raise

    def drain(self) -> int:
        """Step until nothing is left to read. Returns how many messages were read."""
        total = 0
        while done := self.step():
            total += done
        return total

    def _step(self) -> int:
        turn, inputs = Turn(), dict[str, tuple[int, int]]()
        # Events first: what was scored before an event of this step came is then met before it.
        events = self._read(EVENTS, self.settings.log.batch_events, inputs)
        self._append_scored()
        scored = self._read(SCORED, SIDE_RECORDS, inputs)
        control = self._read(CONTROL, SIDE_RECORDS, inputs)
        ticks = self._read(TICKS, SIDE_RECORDS, inputs)
        self.journey.control_turn(control, turn)
        self.journey.scored_turn([row for record in scored for row in scored_messages.decode(record.value)], turn)
        self.journey.event_turn(events, EVENTS, turn)
        if ticks:
            self.journey.tick_turn(int(ticks[-1].value), turn)
        if not inputs:
            return 0
        self.journey.finish(turn)
        began = time.perf_counter()
        self._commit(turn, inputs)
        self.timings.append((len(events), 1_000 * (time.perf_counter() - began)))
        self.committed(turn)
        return len(control) + len(scored) + len(events) + len(ticks)

    def _append_scored(self) -> None:
        """Put what requests logged since the last step into the log."""
        queue = self.serving.queue
        records = [NewRecord(queue.popleft()[1]) for _ in range(len(queue))]
        if records:
            self.append(SCORED, records, durable=False)

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
            known.users_ms[0] = self.journey.profile.newest_ms
            known.events_offset = self._next[EVENTS]
        self.counts.update(turn.counts)
        self.reasons.update(dead_letters.reason_class(letter.reason) for letter in turn.dead_letters)
        self.rearm_ms = max(self.rearm_ms, turn.rearm_ms)
        self.on_turn(turn)
        self._watch_refusals(turn)
        self.steps += 1
        if self.steps % TRIM_EVERY_STEPS == 0:
            trim(self.folder.log, self.settings.log, self._next, now_ms())

    def _watch_refusals(self, turn: Turn) -> None:
        """Say once that refusals are past their cap, and what is refused most; stop if so configured."""
        alarm, before = self.journey.cap.alarm, self._alarm
        self._alarm = alarm
        if not alarm or before or not turn.dead_letters:
            return
        (reason, _), *_ = Counter(letter.reason for letter in turn.dead_letters).most_common(1)
        policy = self.settings.dead_letters
        text = (
            f"more than {policy.cap_share:.0%} of the last {policy.cap_window} events were refused, most often: "
            f"{reason}; `rtrec deadletters list` shows them"
        )
        _log.warning(text)
        if policy.on_cap == "stop":
            raise TooManyRefused(text)

    def totals(self) -> dict[str, int]:
        """What this process has taken: events = accepted + duplicates + dead_letters."""
        count = self.counts
        accepted, duplicates = count["heat", "accepted"], count["heat", "duplicate"]
        letters = count["ingest", "rejected"] + count["heat", "too_late"] + count["heat", "unknown_reversal"]
        events = accepted + duplicates + letters
        return {"events": events, "accepted": accepted, "duplicates": duplicates, "dead_letters": letters}


_INPUTS: Final[dict[Owner, tuple[str, ...]]] = {
    journey.INGEST: (EVENTS,),
    journey.CONTROL: (CONTROL,),
    journey.LABEL: (SCORED, TICKS),
    journey.LEARN: (EXAMPLES,),
}
