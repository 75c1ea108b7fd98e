"""Promises of a learner's snapshot: it is whole, or it is known not to be."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtrec.learning import snapshot
from rtrec.learning.snapshot import FORMAT, MAGIC, Damaged, Snapshot

KEPT = Snapshot(3, 70, 900, {"heads": ["click"], "alpha": 0.1}, {"0": 5, "7": 1}, 44, b"image" * 9, b"progress")
STORED = snapshot.encode(KEPT)
NUMBERS = st.integers(0, 2**63 - 1)


SNAPSHOTS = st.builds(
    Snapshot, NUMBERS, NUMBERS, NUMBERS, st.dictionaries(st.text(max_size=4), st.text(max_size=4)),
    st.dictionaries(st.text(max_size=4), NUMBERS), NUMBERS, st.binary(max_size=400), st.binary(max_size=40),
)  # fmt: skip


@given(SNAPSHOTS)
def test_a_snapshot_gives_back_what_was_put_in(kept: Snapshot) -> None:
    assert snapshot.decode(snapshot.encode(kept)) == kept


@pytest.mark.parametrize("flipped", [0x01, 0x80, 0xFF])
def test_a_changed_byte_is_damage_wherever_it_is(flipped: int) -> None:
    """Also in the format's byte: taken for a newer format, the snapshot before it would not be tried."""
    for place in range(len(STORED)):
        damaged = bytearray(STORED)
        damaged[place] ^= flipped
        with pytest.raises(Damaged):
            snapshot.decode(bytes(damaged))


def test_every_format_is_damage_where_the_checksum_does_not_fit() -> None:
    for form in set(range(256)) - {FORMAT}:
        with pytest.raises(Damaged):
            snapshot.decode(STORED[: len(MAGIC)] + bytes((form,)) + STORED[len(MAGIC) + 1 :])


def test_a_part_of_a_snapshot_is_damage_and_so_is_more_than_one() -> None:
    """A writer that was killed, a file that was appended to, nothing at all."""
    for data in (*(STORED[:end] for end in range(len(STORED))), STORED + b"\x00", STORED * 2):
        with pytest.raises(Damaged):
            snapshot.decode(data)


@given(st.binary(max_size=80))
def test_what_is_no_snapshot_is_damage(data: bytes) -> None:
    for found in (data, MAGIC + data, MAGIC + bytes((FORMAT,)) + data):
        with pytest.raises(Damaged):
            snapshot.decode(found)


@pytest.mark.parametrize("form", [0, FORMAT + 1, 255])
def test_another_format_is_refused_with_what_to_do(form: int) -> None:
    """One that is whole is no damage: going back to the snapshot before it would learn twice what it holds."""
    rest = bytes((form,)) + b"whatever it holds"
    data = MAGIC + rest[:1] + hashlib.sha256(rest).digest() + rest[1:]
    with pytest.raises(ValueError, match=rf"format {form}, this rtrec reads {FORMAT}; use a newer rtrec") as caught:
        snapshot.decode(data)
    assert not isinstance(caught.value, Damaged)
