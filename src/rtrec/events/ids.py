"""Stable 64-bit hashes of ids, and the one partitioner.

Rules
-----
- A hash is XXH3-64 of the id's UTF-8 bytes: the same on every machine, process and version, because it
  is stored (seen ids, people, weights' slots) and decides an anchor's owner.
- 0 means "no id" in every column; a real id whose hash is 0 is moved to 1.
- Namespaces keep apart what would otherwise collide by spelling (`txn_id` "7" and `event_id` "7").
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_64_intdigest

NO_ID = 0


def hash_id(text: str) -> int:
    """The 64-bit hash of an id, never 0.

    >>> hash_id("a1") == hash_id("a1"), hash_id("a1") == hash_id("a2"), hash_id("") != 0
    (True, False, True)
    """
    return xxh3_64_intdigest(text.encode()) or 1


def hash_ids(texts: Sequence[str | None]) -> NDArray[np.uint64]:
    """`hash_id` of many; `NO_ID` where there is none.

    >>> hash_ids(["a1", None]).tolist() == [hash_id("a1"), NO_ID]
    True
    """
    encoded = map(str.encode, ["" if text is None else text for text in texts])
    # fromiter: a list of integers beyond 2^63 would become one of Python objects first
    found = np.fromiter(map(xxh3_64_intdigest, encoded), np.uint64, len(texts))
    found[found == 0] = 1
    found[[text is None for text in texts]] = NO_ID
    return found


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
