"""A message of the topic `scored`: what one request saw of its best candidates, as it used it.

It names when it was asked, under which configuration, and how far the log had been read: what a recomputation
from the log needs to come to the same rows.
"""

from collections.abc import Sequence

import msgspec
import zstandard

from rtrec.labels.exposure import ScoredRow

VERSION = 1


class ScoredRequest(msgspec.Struct, frozen=True, array_like=True):
    """One request. config: the settings' version; offset: events of the log that the records read had met.

    rows: feature rows (`features.vector.ROW`), one an anchor, joined and compressed with zstd.
    """

    version: int
    request_id: str
    user_id: str
    as_of_ms: int
    variant: str
    config: str
    offset: int
    anchors: list[str]
    rows: bytes


def encode(request_id: str, user_id: str, as_of_ms: int, variant: str, config: str, offset: int,
           anchors: Sequence[str], rows: bytes) -> bytes:  # fmt: skip
    """The message of a request. rows: joined, as long as there are anchors."""
    packed = zstandard.ZstdCompressor(level=1).compress(rows)
    return msgspec.msgpack.encode(
        ScoredRequest(VERSION, request_id, user_id, as_of_ms, variant, config, offset, list(anchors), packed)
    )


def decode(value: bytes) -> list[ScoredRow]:
    """The rows of a message; ValueError for a version this code does not read.

    >>> [row.row for row in decode(encode("r", "u", 1, "default", "c", 0, ["a", "b"], b"1234"))]
    [b'12', b'34']
    """
    request = msgspec.msgpack.decode(value, type=ScoredRequest)
    if request.version != VERSION:
        msg = f"scored: written in format {request.version}, this rtrec reads {VERSION}; use a newer rtrec"
        raise ValueError(msg)
    rows = zstandard.ZstdDecompressor().decompress(request.rows)
    width = len(rows) // max(len(request.anchors), 1)
    return [
        ScoredRow(request.user_id, request.request_id, anchor, request.as_of_ms, rows[k * width : (k + 1) * width])
        for k, anchor in enumerate(request.anchors)
    ]
