import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from xxhash import xxh3_64_intdigest

from rtrec.events.schema import MAX_ID_CHARS
from rtrec.events.xxh3 import MAX_HASHED_BYTES, read32, read64, xxh3


def hashed(data: bytes, at: int, length: int) -> int:
    return int(xxh3(np.frombuffer(data, np.uint8), np.uint64(at), np.uint64(length)))


@pytest.mark.parametrize("length", range(MAX_HASHED_BYTES + 1))
def test_every_length_is_hashed_as_the_package_does(length: int) -> None:
    """Wherever in an array the bytes stand, and whatever stands beside them."""
    rng = random.Random(length)
    for at in range(9):
        data = rng.randbytes(at + length + 3)
        assert hashed(data, at, length) == xxh3_64_intdigest(data[at : at + length])


@pytest.mark.parametrize("byte", [b"\x00", b"\x7f", b"\x80", b"\xff"])
def test_all_bytes_alike_are_hashed_as_the_package_does(byte: bytes) -> None:
    """Carries of the long products, which random bytes meet seldom."""
    for length in range(MAX_HASHED_BYTES + 1):
        assert hashed(byte * length, 0, length) == xxh3_64_intdigest(byte * length)


@given(st.binary(max_size=MAX_HASHED_BYTES))
def test_any_bytes_are_hashed_as_the_package_does(data: bytes) -> None:
    assert hashed(data, 0, len(data)) == xxh3_64_intdigest(data)


@given(st.binary(min_size=8, max_size=24))
def test_numbers_are_little_endian(data: bytes) -> None:
    at, array = np.uint64(len(data) - 8), np.frombuffer(data, np.uint8)
    assert int(read64(array, at)) == int.from_bytes(data[-8:], "little")
    assert int(read32(array, at)) == int.from_bytes(data[-8:-4], "little")


def test_an_id_in_a_namespace_is_short_enough() -> None:
    assert len("live\0") + MAX_ID_CHARS <= MAX_HASHED_BYTES
