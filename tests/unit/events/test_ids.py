from hypothesis import given
from hypothesis import strategies as st

from rtrec.events.ids import hash_id, hash_in, partition_of


def test_hashes_are_stored_so_they_never_change() -> None:
    """Fixed vectors: a change here would lose every stored record."""
    assert hash_id("a1") == 0xB8FD8403C5EC973C
    assert hash_in("txn", "7") == 0xB5DF54591C088E98
    assert hash_id("主播") == 0x1643687C687FD8F8


@given(st.text(max_size=128), st.integers(1, 64))
def test_every_id_has_one_owner_among_the_partitions(key: str, partitions: int) -> None:
    assert 0 <= partition_of(key, partitions) < partitions
    assert partition_of(key, partitions) == partition_of(key, partitions)


def test_partitions_are_evenly_filled() -> None:
    """10,000 anchors over 8 partitions: each within 10 % of its share."""
    counts = [0] * 8
    for k in range(10_000):
        counts[partition_of(f"anchor-{k}", 8)] += 1
    assert all(1_125 <= count <= 1_375 for count in counts)


@given(st.text(max_size=64))
def test_a_hash_is_64_bits_and_never_0_and_namespaces_differ(text: str) -> None:
    assert 0 < hash_id(text) < 1 << 64
    assert 0 < hash_in("txn", text) < 1 << 64
    assert len({hash_id(text), hash_in("txn", text), hash_in("live", text)}) == 3
