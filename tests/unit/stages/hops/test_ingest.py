"""Promises of INGEST as a hop: everything goes somewhere, once, and says where it came from."""

import hashlib

import pytest

from rtrec.events import anchor_chunk
from rtrec.events.codec import Refusal
from rtrec.events.ids import partition_of
from rtrec.stages import dead_letters
from rtrec.stages.hops.hop import HopTurn, Message
from rtrec.stages.hops.ingest import ANCHOR_EVENTS, DEAD_LETTERS, IngestHop, Mapper
from rtrec.stages.messages import Record
from tests.unit.events.event_cases import NOW, escaped, valid
from tests.unit.stages.hops.scripts import settings

PARTITIONS = 5


def turned(lines: list[bytes | Record], mapper: Mapper | None = None) -> HopTurn:
    """One turn of partition 2 of the topic `clicks`; offsets from 40 on."""
    hop = IngestHop(settings(PARTITIONS), "clicks", 2, mapper)
    records = [
        one if isinstance(one, Record) else Record(offset, NOW, None, one, None) for offset, one in enumerate(lines, 40)
    ]
    assert hop.prepare({"clicks": records}) == []
    return hop.turn([], [])


def of_topic(turn: HopTurn, topic: str) -> list[Message]:
    return [message for message in turn.messages if message.topic == topic]


def letters(turn: HopTurn) -> list[dead_letters.DeadLetter]:
    return [dead_letters.decode(message.value) for message in of_topic(turn, DEAD_LETTERS)]


def test_an_anchors_events_go_to_one_partition_and_a_users_own_by_the_user() -> None:
    """One message a partition, whoever produced, with the offsets they stood at."""
    likes = [escaped(valid("like", event_id=f"e{k}", anchor_id=f"a{k % 7}", user_id=k)) for k in range(40)]
    alone = [escaped(valid("user_profile", event_id=f"p{k}", user_id=f"u{k}", anchor_id="a0")) for k in range(10)]
    turn = turned([*likes, *alone])
    messages = of_topic(turn, ANCHOR_EVENTS)
    assert len(messages) == len({message.partition for message in messages}) > 2
    offsets = []
    for message in messages:
        chunk = anchor_chunk.decode(message.value)
        assert chunk.source == "clicks:2"
        positions = chunk.columns["position"].tolist()
        assert positions == sorted(positions)
        offsets += positions
        for event in chunk.lines:
            key = event.user_id if event.type == "user_profile" else event.anchor_id
            assert partition_of(str(key), PARTITIONS) == message.partition
    assert sorted(offsets) == list(range(40, 90))
    assert (turn.events, turn.counts["accepted"], turn.counts["rejected"]) == (50, 50, 0)


def test_a_dead_letter_says_why_and_where_and_what_it_was() -> None:
    """Its key is its place: one that is sent again, by who takes over, is known."""
    turn = turned([escaped(valid("like")), b"nonsense", escaped(valid("like", event_id="f", ts_ms=NOW + 60_001))])
    assert [(one.offset, one.topic, one.partition, one.original) for one in letters(turn)] == [
        (41, "clicks", 2, b"nonsense"),
        (42, "clicks", 2, escaped(valid("like", event_id="f", ts_ms=NOW + 60_001))),
    ]
    assert [message.key for message in of_topic(turn, DEAD_LETTERS)] == [b"clicks:2:41", b"clicks:2:42"]
    assert turn.refused == [one.reason for one in letters(turn)]
    assert [reason.split(":")[0] for reason in turn.refused] == ["event", "like.ts_ms"]
    assert (turn.events, turn.counts["accepted"], turn.counts["rejected"]) == (3, 1, 2)


def test_a_cut_original_is_refused_by_the_length_it_had() -> None:
    line = escaped(valid("like")) + b" " * 70_000
    value, headers = dead_letters.cut(line)
    (letter,) = letters(turned([Record(7, NOW, None, value, headers)]))
    assert (letter.length, letter.sha256, letter.whole) == (len(line), hashlib.sha256(line).digest(), False)
    assert f"got {len(line)}" in letter.reason


def mapped(value: bytes) -> bytes | Refusal | None:
    """A foreign format: `user anchor`; a ping is ignored."""
    words = value.decode().split()
    if words == ["ping"]:
        return None
    if len(words) != 2:
        return Refusal("clicks: expected two words")
    return escaped(valid("like", event_id=value.decode(), user_id=words[0], anchor_id=words[1]))


def test_a_mapping_makes_events_of_what_others_write() -> None:
    """Dead letters keep what came, not what was made of it, whoever refused it."""
    turn = turned([b"u a", b"ping", b"one two three", b"u " + b"x" * 129, b"v a"], mapped)
    lines = [event.event_id for one in of_topic(turn, ANCHOR_EVENTS) for event in anchor_chunk.decode(one.value).lines]
    assert sorted(lines) == ["u a", "v a"]
    assert [(one.offset, one.original) for one in letters(turn)] == [(42, b"one two three"), (43, b"u " + b"x" * 129)]
    assert letters(turn)[0].reason == "clicks: expected two words"
    counts = [turn.counts[name] for name in ("accepted", "rejected", "ignored")]
    assert (turn.events, counts) == (5, [2, 2, 1])


@pytest.mark.parametrize("lines", [[], [b"nonsense"]])
def test_where_nothing_is_accepted_no_chunk_goes_out(lines: list[bytes | Record]) -> None:
    assert of_topic(turned(lines), ANCHOR_EVENTS) == []
