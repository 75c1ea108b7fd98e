"""A learner's snapshot: everything that learning goes on from, with the offset it stands at.

Rules
-----
- Layout: 4 bytes of magic, 1 of format, 32 of SHA-256 over the format and what follows, then msgpack under zstd. The
  format is under the checksum: a byte that flipped there is damage, not a newer rtrec. Whatever does not fit its
  checksum is `Damaged`, so that the one before it is taken; another format is refused with a word.
- The image holds (z, n) of every slot ever touched, never the whole vector; nothing is pickled.
- `rtrec.learning.model` encodes the image, whoever learns says what the rest means.
"""

import hashlib
from typing import Final

import msgspec
import zstandard

MAGIC: Final = b"RTRS"
FORMAT: Final = 1
_HEAD: Final = len(MAGIC) + 1


class Damaged(ValueError):
    """Bytes that are no whole snapshot."""


class Snapshot(msgspec.Struct, frozen=True, array_like=True):
    """See the module.

    epoch: of the learner that wrote it. next_offset: in `examples`, where to go on. examples: learned so far.
    policy: what the weights were learned with. following: next number to take, by owner of an outbox.
    weights_offset: the end of `weights` then: updates from there on are newer. image, progress: as they encode.
    held: made while nothing was published: a learner goes on from it, a scorer does not begin with it.
    """

    epoch: int
    next_offset: int
    examples: int
    policy: dict[str, object]
    following: dict[str, int]
    weights_offset: int
    image: bytes
    progress: bytes
    held: bool = False


def encode(snapshot: Snapshot) -> bytes:
    """The stored form.

    >>> kept = Snapshot(1, 5, 7, {}, {"0": 3}, 0, b"image", b"")
    >>> decode(encode(kept)) == kept
    True
    """
    packed = zstandard.ZstdCompressor(level=1).compress(msgspec.msgpack.encode(snapshot))
    form = bytes((FORMAT,))
    return MAGIC + form + hashlib.sha256(form + packed).digest() + packed


def decode(data: bytes) -> Snapshot:
    """What `encode` made. Damaged for anything else; ValueError for another format."""
    if data[: len(MAGIC)] != MAGIC or len(data) < _HEAD + 32:
        raise Damaged("not a snapshot: it does not begin like one")
    form, packed = data[len(MAGIC) : _HEAD], data[_HEAD + 32 :]
    if hashlib.sha256(form + packed).digest() != data[_HEAD : _HEAD + 32]:
        raise Damaged("a damaged snapshot: its checksum does not fit")
    if form[0] != FORMAT:
        raise ValueError(f"snapshot: written in format {form[0]}, this rtrec reads {FORMAT}; use a newer rtrec")
    return msgspec.msgpack.decode(zstandard.ZstdDecompressor().decompress(packed), type=Snapshot)
