"""The journey of a micro-batch through every stage, in order: INGEST → HEAT → PROFILE → LABEL → LEARN.

Rules
-----
- No I/O but `fetch`, which reads records of an owner; what is to be written comes back as one `Turn`.
- A turn is all or nothing: when its commit fails the journey's memory is ahead of the store and is thrown
  away with it; the next one loads from the store.
- Control is met first, then scored rows, then events, then ticks.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from rtrec.events.columns import EventChunk
from rtrec.features.heat_rules import HeatRules, heat_rules
from rtrec.labels.exposure import Example, ScoredRow
from rtrec.ports import Owner
from rtrec.settings import Settings
from rtrec.stages import control, dead_letters, heat, heat_events, label, learn, outbox, positions, profile
from rtrec.stages.control import ControlState
from rtrec.stages.dead_letters import DeadLetter
from rtrec.stages.effects import Effects, Writes
from rtrec.stages.heat_kernel import ACCEPTED, DUPLICATE
from rtrec.stages.ingest import Ingested, ingest
from rtrec.stages.messages import Record
from rtrec.stages.shadow import shadow_row

INGEST, CONTROL, HEAT, PROFILE, LABEL, LEARN = (
    Owner(stage, 0) for stage in ("ingest", "control", "heat", "profile", "label", "learn")
)
OWNERS = (INGEST, CONTROL, HEAT, PROFILE, LABEL, LEARN)

Fetch = Callable[[Owner, Sequence[str]], list[bytes | None]]
Examples = Callable[[int], Iterable[tuple[int, bytes]]]
"""Messages of `examples` from a number on that the log still has, with their numbers."""
Scan = Callable[[Owner, str], Iterable[tuple[str, bytes]]]


@dataclass(slots=True)
class Turn:
    """What one micro-batch leaves to be committed.

    counts: (stage, outcome) → how often. first_ms, last_ms: accepted event times, 0 if none.
    rearm_ms: when the learner was told to publish again, 0 if it was not.
    """

    writes: dict[Owner, Writes] = field(default_factory=lambda: {owner: Writes() for owner in OWNERS})
    dead_letters: list[DeadLetter] = field(default_factory=list)
    examples: list[Example] = field(default_factory=list)
    example_chunk: bytes | None = None
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    rearm_ms: int = 0
    first_ms: int = 0
    last_ms: int = 0

    def add(self, owner: Owner, effects: Effects) -> None:
        """Fold one stage's effects in; later writes of a key win."""
        self.writes[owner].puts.update(effects.writes.puts)
        self.writes[owner].ranks.update(effects.writes.ranks)
        for outcome, count in effects.counts.items():
            self.counts[owner.stage, outcome] += count


class Journey:
    """Every stage's state of one partition, and the one way of an event through them."""

    def __init__(self, settings: Settings, scan: Scan, fetch: Fetch, examples: Examples = lambda _: ()) -> None:
        self.settings, self._fetch = settings, fetch
        self.heat = _loaded_heat(settings, scan)
        self.profile = profile.ProfileState(settings.users)
        self.label = label.LabelState(settings.labels)
        self.learn = _learned(settings, scan, examples)
        self.control = ControlState()
        self.cap = dead_letters.Cap(settings.dead_letters)
        self.profile.load_meta(item for prefix in ("erased/", "meta") for item in scan(PROFILE, prefix))
        self.label.load(scan(LABEL, ""))
        self.control.load(scan(CONTROL, ""))

    def change_rules(self, settings: Settings) -> None:
        """Take heat's weights and caps anew: caps hold for new events, weights at the next `rerank`."""
        self.settings = settings
        self.heat.rules = _rules(settings)

    def control_turn(self, records: Sequence[Record], turn: Turn) -> None:
        """Meet control messages; an erasure reaches PROFILE and LABEL in the same turn."""
        for record in records:
            effects, message = self.control.apply(record.value)
            turn.add(CONTROL, effects)
            if message.kind == control.REARM:
                turn.rearm_ms = message.at_ms
            if message.kind == "user_erase" and message.user_id is not None:
                turn.add(PROFILE, profile.erase(self.profile, message.user_id, message.at_ms))
                self._label(label.erase(self.label, message.user_id, message.at_ms), turn)

    def scored_turn(self, rows: Sequence[ScoredRow], turn: Turn) -> None:
        """Meet the features that the API used."""
        if rows:
            self._label(label.scored(self.label, rows), turn)

    def tick_turn(self, now_ms: int, turn: Turn) -> None:
        """Let a quiet partition's labels be decided."""
        self._label(label.tick(self.label, now_ms), turn)

    def event_turn(self, records: Sequence[Record], topic: str, turn: Turn) -> None:
        """Take a micro-batch of raw events through every stage."""
        if not records:
            return
        taken = ingest(records, self.settings.events)
        turn.dead_letters += [dead_letters.refuse(record, topic, 0, reason) for record, reason in taken.refused]
        turn.counts["ingest", "accepted"] += len(taken.records)
        turn.counts["ingest", "rejected"] += len(taken.refused)
        result = self._heat(taken, topic, turn)
        events = heat_events.user_chunk(self.heat, taken.chunk, result).user_events()
        needs = profile.profile_needs(self.profile, events)
        self.profile.admit(needs, self._fetch(PROFILE, needs))
        effects, profiled = profile.profile(
            self.profile, events, lambda record, event: shadow_row(self.settings.features, record, event)
        )
        turn.add(PROFILE, effects)
        self._label(label.label(self.label, profiled), turn)
        refused = {letter.offset for letter in turn.dead_letters}
        for record in records:
            self.cap.add(refused=record.offset in refused)

    def finish(self, turn: Turn, *, figures: bool = False) -> None:
        """Learn the turn's examples as one message; note the weights that moved."""
        if turn.examples:
            turn.example_chunk = learn.encode_examples(turn.examples)
            turn.add(LEARN, learn.learn(self.learn, turn.example_chunk))
        self.learn.write(turn.writes[LEARN], figures=figures)

    def _heat(self, taken: Ingested, topic: str, turn: Turn) -> heat.HeatResult:
        chunk: EventChunk = taken.chunk
        needs = heat.heat_needs(self.heat, chunk)
        self.heat.admit(needs, self._fetch(HEAT, needs))
        result = heat.heat(self.heat, chunk)
        turn.add(HEAT, result.effects)
        status = result.outcomes["status"]
        for k in ((status != ACCEPTED) & (status != DUPLICATE)).nonzero()[0].tolist():
            turn.dead_letters.append(dead_letters.refuse(taken.records[k], topic, 0, heat.REASONS[int(status[k])]))
        times = chunk.columns["ts_ms"][status == ACCEPTED]
        if len(times):
            turn.first_ms, turn.last_ms = int(times.min()), int(times.max())
        return result

    def _label(self, outcome: tuple[Effects, list[Example]], turn: Turn) -> None:
        effects, examples = outcome
        turn.add(LABEL, effects)
        turn.examples += examples


def canonical(
    settings: Settings, scan: Scan, examples: Examples = lambda _: (), partitions: int = 1
) -> Iterator[tuple[str, bytes]]:
    """(part, bytes) of everything stored, without trace of micro-batches, chunks or epochs: what a digest hashes."""
    yield from canonical_state(settings, scan, partitions)
    yield from (("weights", part) for part in learn.canonical(_learned(settings, scan, examples)))


def canonical_state(settings: Settings, scan: Scan, partitions: int) -> Iterator[tuple[str, bytes]]:
    """The same without weights, partition by partition; what belongs to the hops between stages is left out."""
    for partition in range(partitions):
        anchors, users, labels = (Owner(owner.stage, partition) for owner in (HEAT, PROFILE, LABEL))
        state = _loaded_heat(settings, scan, anchors)
        yield from heat.canonical(state, (item for prefix in ("a/", "m/") for item in scan(anchors, prefix)))
        yield from (("users", part) for part in profile.canonical(scan(users, ""), settings.users))
        own = (item for item in scan(labels, "") if not item[0].startswith((positions.KEY, outbox.NEXT, outbox.PREFIX)))
        yield from (("labels", part) for part in label.canonical(own))


def _loaded_heat(settings: Settings, scan: Scan, owner: Owner = HEAT) -> heat.HeatState:
    """HEAT's state with what it reads whole at the start; anchors come when events name them."""
    events = settings.events
    state = heat.HeatState(_rules(settings), seen_ids=events.seen_ids, ledger_gifts=events.ledger_gifts)
    state.load(item for prefix in ("ledger/", "meta", "people/", "seen/") for item in scan(owner, prefix))
    return state


def _learned(settings: Settings, scan: Scan, examples: Examples) -> learn.LearnState:
    """The learner as of the last commit."""
    state = learn.LearnState(settings.labels.heads, settings.learner)
    state.load(scan(LEARN, ""))
    if state.behind:
        for number, chunk in examples(state.messages):
            learn.learn(state, chunk)
            state.messages = number + 1
    return state


def _rules(settings: Settings) -> HeatRules:
    return heat_rules(settings.heat, settings.events, settings.features)
