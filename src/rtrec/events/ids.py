"""Stable 64-bit hashes of ids, and the one partitioner.

Rules
-----
- A hash is XXH3-64 of the id's UTF-8 bytes: the same on every machine, process and version, because it
  is stored (seen ids, people, weights' slots) and decides an anchor's owner.
- 0 means "no id" in every column; a real id whose hash is 0 is moved to 1.
- Namespaces keep apart what would otherwise collide by spelling (`txn_id` "7" and `event_id` "7").
"""

from xxhash import xxh3_64_intdigest

NO_ID = 0


def hash_id(text: str) -> int:
    """The 64-bit hash of an id, never 0.

    >>> hash_id("a1") == hash_id("a1"), hash_id("a1") == hash_id("a2"), hash_id("") != 0
    (True, False, True)
    """
    return xxh3_64_intdigest(text.encode()) or 1


def hash_in(namespace: str, text: str) -> int:
    """The hash of an id within a namespace, so that equal spellings of two kinds stay apart.

    >>> hash_in("txn", "7") == hash_id("7")
    False
    """
    return xxh3_64_intdigest(f"{namespace}\x00{text}".encode()) or 1


def partition_of(key: str, partitions: int) -> int:
    """The partition that owns `key`, whoever produced the event and wherever its client put it.

    >>> partition_of("a1", 1), 0 <= partition_of("a1", 8) < 8
    (0, True)
    """
    return hash_id(key) % partitions
