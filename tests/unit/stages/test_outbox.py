"""Promises of the outbox: what was committed is taken once and in order, whatever happened to its sending."""

import random
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from rtrec.stages.effects import Writes
from rtrec.stages.outbox import NEXT, PREFIX, Outbox, Sequences

STEPS = st.lists(st.sampled_from(["add", "add", "add twice", "send", "lose", "half", "again", "die"]), max_size=40)


@dataclass
class Owner:
    """One owner's turns, its store, and the topic it sends to."""

    store: dict[str, bytes] = field(default_factory=dict)
    topic: list[tuple[int, bytes]] = field(default_factory=list)
    outbox: Outbox = field(default_factory=Outbox)
    committed: list[bytes] = field(default_factory=list)

    def turn(self, outputs: int) -> None:
        """A commit with so many outputs."""
        writes = Writes()
        self.outbox.forget(writes)
        for _ in range(outputs):
            value = f"output {len(self.committed)}".encode()
            self.outbox.add(value, writes)
            self.committed.append(value)
        for key, stored in writes.puts.items():
            if stored is None:
                self.store.pop(key, None)
            else:
                self.store[key] = stored

    def send(self, upto: int | None = None) -> None:
        """Send what waits, or the beginning of it, after which nothing is known of any."""
        self.topic += list(self.outbox.waiting.items())[:upto]
        if upto is None:
            self.outbox.published()

    def take_over(self) -> None:
        """Another worker; it sends everything that waits."""
        self.outbox = Outbox()
        self.outbox.load(dict(random.Random(len(self.topic)).sample(sorted(self.store.items()), len(self.store))))
        self.send()

    def step(self, what: str, rng: random.Random) -> None:
        match what:
            case "add" | "add twice":
                self.turn(1 + (what == "add twice"))
            case "send":
                self.send()
            case "half":
                self.send(rng.randrange(3))
            case "lose":  # all of it was refused, or some of it, in whatever order
                waiting = list(self.outbox.waiting.items())
                self.topic += rng.sample(waiting, rng.randrange(len(waiting) + 1))
            case "again" if self.topic:  # a zombie's
                self.topic.append(rng.choice(self.topic))
            case "die":
                self.take_over()


def taken(topic: list[tuple[int, bytes]]) -> list[bytes]:
    sequences = Sequences()
    return [value for number, value in topic if sequences.take("0", number)]


@given(STEPS, st.integers(0, 99))
def test_outputs_are_taken_once_and_in_order(steps: list[str], seed: int) -> None:
    """After failed and half sends, take-overs and repeats in any order; all of them once the last send came through."""
    owner, rng = Owner(), random.Random(seed)
    for step in steps:
        owner.step(step, rng)
        found = taken(owner.topic)
        assert found == owner.committed[: len(found)]
    owner.send()
    assert taken(owner.topic) == owner.committed


@given(STEPS, st.integers(0, 99))
def test_what_was_acknowledged_is_forgotten_by_the_next_commit(steps: list[str], seed: int) -> None:
    """The store holds what waits and nothing else, but for the next number."""
    owner, rng = Owner(), random.Random(seed)
    for step in steps:
        owner.step(step, rng)
    owner.turn(0)
    stored = {key: value for key, value in owner.store.items() if key.startswith(PREFIX)}
    assert list(stored.values()) == list(owner.outbox.waiting.values())
    owner.send()
    owner.turn(0)
    assert set(owner.store) <= {NEXT}


def test_numbers_go_on_where_they_stopped_though_nothing_waits() -> None:
    owner = Owner()
    owner.turn(20)
    owner.send()
    owner.turn(0)
    owner.take_over()
    owner.turn(1)
    assert list(owner.outbox.waiting) == [20]


def test_waiting_outputs_are_loaded_in_order_of_their_numbers() -> None:
    """Also beyond ten, sixteen and two hundred fifty-six."""
    owner = Owner()
    owner.turn(300)
    owner.outbox = Outbox()
    owner.outbox.load(dict(reversed(owner.store.items())))
    assert list(owner.outbox.waiting) == list(range(300))


def test_owners_are_counted_apart_and_a_snapshot_goes_on() -> None:
    sequences = Sequences({"a": 4})
    assert [sequences.take("a", 3), sequences.take("a", 4), sequences.take("b", 0)] == [False, True, True]
    kept = dict(sequences.following)
    again = Sequences(kept)
    assert again.take("a", 5)
    assert kept == {"a": 5, "b": 1} == sequences.following
