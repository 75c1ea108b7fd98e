import hashlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtrec.events.codec import Refusal
from rtrec.events.codec import decode as decode_event
from rtrec.settings import DeadLetters
from rtrec.stages.dead_letters import Cap, cut, decode, encode, reason_class, refuse, whole_length
from rtrec.stages.heat import REASONS
from rtrec.stages.messages import Record
from tests.unit.events.event_cases import escaped, near_events
from tests.unit.events.test_codec import HOSTILE
from tests.unit.events.test_codec import REASONS as FAULTS

KIB_64 = 65_536


def record(line: bytes) -> Record:
    value, headers = cut(line)
    return Record(7, 1_712_345_678_901, None, value, headers)


@pytest.mark.parametrize("length", [0, 1, KIB_64 - 1, KIB_64, KIB_64 + 1, 300_000])
def test_a_dead_letter_keeps_the_first_64_kib_and_the_length_and_hash_of_all(length: int) -> None:
    line = bytes(k % 251 for k in range(length))
    assert whole_length(record(line)) == length
    letter = decode(encode(refuse(record(line), "events", 3, "event: because")))
    assert (letter.topic, letter.partition, letter.offset, letter.reason) == ("events", 3, 7, "event: because")
    assert letter.original == line[:KIB_64]
    assert (letter.length, letter.sha256) == (length, hashlib.sha256(line).digest())
    assert letter.whole == (length <= KIB_64)


def test_another_format_is_refused_with_what_to_do() -> None:
    newer = msgspec.structs.replace(refuse(record(b"x"), "events", 0, "r"), version=2)
    with pytest.raises(ValueError, match="dead letter: written in format 2, this rtrec reads 1; use a newer rtrec"):
        decode(encode(newer))


@given(st.lists(st.booleans(), max_size=120), st.integers(10, 20), st.sampled_from([0.1, 0.5, 1.0]))
def test_the_alarm_is_the_share_of_the_last_window(refusals: list[bool], window: int, share: float) -> None:
    """More than the share of the newest `cap_window` events; before so many came, the missing ones count as taken."""
    cap = Cap(DeadLetters(cap_share=share, cap_window=window))
    for k, refused in enumerate(refusals):
        cap.add(refused=refused)
        assert cap.alarm == (sum(refusals[max(0, k + 1 - window) : k + 1]) > share * window)


CLASSES = {"unknown_reversal", "time", "missing", "size", "encoding", "bounds", "mistyped"}


@given(near_events())
def test_every_reason_has_one_of_few_classes(event: dict[str, object]) -> None:
    """Metrics are labelled by class: their number must not grow with what producers send."""
    found = decode_event(escaped(event))
    if isinstance(found, Refusal):
        assert reason_class(found.reason) in CLASSES


def test_reasons_fall_into_the_class_that_names_them() -> None:
    by_class = {reason_class(reason) for _, reason in FAULTS} | {reason_class(reason) for *_, reason in HOSTILE}
    assert by_class <= CLASSES
    assert [reason_class(reason) for reason in REASONS.values()] == ["time", "unknown_reversal"]
    assert reason_class("event: expected at most 65536 bytes, got 70000") == "size"
    assert reason_class("event: expected UTF-8, got the byte 0xff at 0") == "encoding"
    assert reason_class("like.ts_ms: future, expected at most 60000 ms after its arrival, got 60001 ms") == "time"
    assert reason_class("gift.value: expected an integer ≥ 0, got -5") == "bounds"
    assert reason_class("gift.value: expected an integer ≤ 10^12, got 1000000000001") == "bounds"
    assert reason_class("gift.user_id: missing") == "missing"


def test_a_message_of_any_size_leaves_a_letter_of_64_kib_at_most() -> None:
    """A producer's message may be larger than the topic of dead letters takes."""
    letter = refuse(Record(1, 0, None, b"x" * 100_000, None), "events", 0, "event: too large")
    assert (len(letter.original), letter.length, letter.whole) == (65_536, 100_000, False)
