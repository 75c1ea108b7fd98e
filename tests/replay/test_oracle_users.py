"""The embedded system says of every user what brute force over the user's events says, however the log was cut."""

import random
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from rtrec.runtime.embedded import Embedded
from rtrec.settings import Log, Settings
from rtrec.settings import Users as UsersSettings
from tests.oracle.anchors import Partition
from tests.oracle.compare_users import differences
from tests.oracle.users import UserRules, Users
from tests.replay.streams import HOUR_MS, Event, Shape, lines
from tests.replay.user_streams import DAY_MS, Lives, crowded, user_stream

LATER_MS = (-HOUR_MS, 0, 7_000, 660_000, 2 * HOUR_MS, 26 * HOUR_MS)
MANY = 5
T0 = 1_600_000_000_000
FORGETFUL = UserRules(ttl_days=1, taste_half_life_ms=600_000)


@dataclass
class Pair:
    """The embedded system and the oracle, fed alike."""

    host: Embedded
    rules: UserRules
    partition: Partition = field(default_factory=Partition)
    append_ms: int = field(default_factory=lambda: int(time.time() * 1000))

    def __post_init__(self) -> None:
        self.users = Users(self.rules)

    def feed(self, events: Sequence[Event]) -> None:
        """Give both the next events."""
        self.host.append_lines(lines(list(events)))
        self.host.drain()
        taken = [self.partition.take(event, self.append_ms) for event in events]
        self.users.feed(one.passed for one in taken if one.passed is not None)

    def erase(self, user_id: str, at_ms: int) -> None:
        """Give both an erasure; what is faked is the clock."""
        clock, self.host.serving.known.now_ms = self.host.serving.known.now_ms, lambda: at_ms
        self.host.serving.erase_user(user_id)
        self.host.serving.known.now_ms = clock
        self.users.erase(user_id, at_ms)

    def compare(self) -> list[str]:
        """Everything in which they differ, at several T."""
        newest_ms = max(self.users.newest_ms, DAY_MS)
        return [
            f"{user_id} at newest + {later_ms}: {fault}"
            for later_ms in LATER_MS
            for user_id in [*self.users.user_ids, "nobody"]
            for fault in differences(
                self.host.show_user(user_id, at_ms=newest_ms + later_ms),
                self.users.show(user_id, newest_ms + later_ms),
            )
        ]


def run(
    events: Sequence[Event], cuts: Sequence[int], batch_events: int, rules: UserRules, erasures: float
) -> list[str]:
    """Feed events to system and oracle, stopping at each cut; the first things in which they differ there."""
    rng = random.Random(len(events))
    kept = UsersSettings(ttl_days=rules.ttl_days, taste_half_life_ms=rules.taste_half_life_ms)
    embedded = Settings(log=Log(batch_events=batch_events), users=kept)
    with tempfile.TemporaryDirectory() as folder, Embedded.open(Path(folder), embedded) as host:
        pair = Pair(host, rules)
        for first, end in zip((0, *cuts), (*cuts, len(events)), strict=True):
            pair.feed(events[first:end])
            found = pair.compare()
            if not found and end < len(events):
                erase_some(pair, rng, erasures, events[end:])
                found = pair.compare()
            if found:
                return [f"after {end} of {len(events)} events, {fault}" for fault in found[:MANY]]
    return []


def erase_some(pair: Pair, rng: random.Random, share: float, coming: Sequence[Event]) -> None:
    """Erase some users as of about the newest event, so that the next ones fall on both sides of it."""
    for user_id in pair.users.user_ids:
        if rng.random() < share:
            times = [event["ts_ms"] for event in coming if str(event.get("user_id")) == user_id]
            edge_ms = rng.choice(times[:5] or [pair.users.newest_ms]) - 60_000
            newest_ms = pair.users.newest_ms + rng.choice([0, 30_000, -HOUR_MS])
            pair.erase(user_id, rng.choice([newest_ms, edge_ms, edge_ms - 1]))


lives = st.builds(
    Lives,
    st.builds(
        Shape,
        seed=st.integers(0, 2**32),
        events=st.integers(1, 160),
        anchors=st.integers(1, 6),
        users=st.sampled_from([1, 3, 12]),
        step_ms=st.sampled_from([50, 4_000, 60_000]),
        late=st.sampled_from([0.1, 0.4]),
        very_late=st.sampled_from([0.0, 0.05]),
        reversals=st.sampled_from([0.08, 0.3]),
        jumps=st.sampled_from([0.0, 0.03]),
        drills=st.sampled_from([0.0, 0.03]),
    ),
    categories=st.sampled_from([1, 5]),
    negatives=st.sampled_from([0.05, 0.2]),
    silences=st.sampled_from([0.0, 0.03]),
)


# Not shrunk: a host a draw would take minutes and gigabytes, and what is drawn is short and names its seed.
@settings(max_examples=20, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(
    lives,
    st.lists(st.integers(1, 159), max_size=3),
    st.sampled_from([1, 2, 7, 64, 5_000]),
    st.sampled_from([UserRules(), FORGETFUL]),
    st.sampled_from([0.0, 0.2]),
)
def test_every_answer_is_what_brute_force_says(
    lives: Lives, cuts: list[int], batch_events: int, rules: UserRules, erasures: float
) -> None:
    """Views, familiarity, spend and lists exactly, taste shares to 1e-9; batches and pauses leave no trace."""
    events = user_stream(lives)
    assert run(events, sorted({cut for cut in cuts if cut < len(events)}), batch_events, rules, erasures) == []


WEEKS = Lives(
    Shape(35, events=1_500, anchors=12, users=12, step_ms=60_000, late=0.3, jumps=0.01),
    ties=0.3, negatives=0.15, silences=0.004,
)  # fmt: skip
CROWD = crowded(Lives(Shape(32, events=2_000, late=0.3, reversals=0.2, jumps=0.0, drills=0.0), silences=0.0))


@pytest.mark.parametrize("lives", [WEEKS, CROWD], ids=["weeks", "a crowd that fills every list"])
def test_long_streams_agree_at_ten_points(lives: Lives) -> None:
    """More than a thousand events, compared at ten points, in micro-batches of an odd size."""
    events = user_stream(lives)
    cuts = sorted(random.Random(lives.shape.seed).sample(range(1, len(events)), 9))
    assert run(events, cuts, 97, UserRules(), 0.05) == []


def test_the_2000_latest_follows_and_blocks_stand() -> None:
    """A user follows and blocks more anchors than are kept, some of them again."""
    events: list[Event] = [
        {"event_id": n, "type": "negative", "kind": "block", "ts_ms": T0 + n, "anchor_id": number, "user_id": 1}
        for n, number in enumerate((*range(2_003), 5, 900, 2_000))
    ]
    events.append({"event_id": "p", "type": "user_profile", "ts_ms": T0, "user_id": 1, "follows": [*range(2_000)]})
    events += [
        {"event_id": f"f{number}", "type": "follow", "ts_ms": T0, "anchor_id": number, "user_id": 1}
        for number in (2_000, 7, 3_000)
    ]
    assert run(events, [2_004], 1_000, UserRules(), 0.0) == []
