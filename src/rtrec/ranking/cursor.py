"""A page's cursor: which anchors earlier pages showed, as 32-bit hashes, so that no page repeats another's.

Stateless and opaque to apps. A hash collision hides one candidate in four billion pairs.
"""

import base64
from collections.abc import Iterable

import numpy as np

from rtrec.events.ids import hash_id
from rtrec.ranking.errors import RequestError

_VERSION = b"1"


def short_hash(anchor_id: str) -> int:
    """32 bits of an anchor's hash."""
    return hash_id(anchor_id) & 0xFFFFFFFF


def encode(shown: Iterable[int]) -> str:
    """The cursor that remembers these short hashes.

    >>> sorted(decode(encode([7, 5])))
    [5, 7]
    """
    return base64.urlsafe_b64encode(_VERSION + np.array(sorted(shown), "<u4").tobytes()).decode()


def decode(cursor: str | None) -> set[int]:
    """Short hashes of what was shown; RequestError for a cursor that is not ours."""
    if cursor is None:
        return set()
    try:
        data = base64.urlsafe_b64decode(cursor.encode())
        shown = set(np.frombuffer(data[1:], "<u4").tolist())
    except ValueError:  # binascii.Error is one
        data, shown = b"", set()
    if data[:1] != _VERSION:
        raise RequestError("not a cursor of this service; take `next_cursor` of the last answer", "/cursor")
    return shown
