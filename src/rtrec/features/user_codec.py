"""A user's record as bytes, as JSON, and whether it still counts.

Rules
-----
- Stored form: one byte of format, one of packing, then msgpack (arrays in field order): as it is below
  `PACKED_FROM_BYTES`, under zstd from there on. Format 1. Most users are small, and zstd takes thirty times
  as long as msgpack to save next to nothing (measured at 130 bytes).
- A format above ours was written by a newer release: reading it is refused, never guessed.
- The msgpack part is a function of the record alone, its dict orders included; digests hash that
  (`canonical_bytes`), because compressed bytes may differ between versions of zstd.
- A zstd context is made per call (some 10 µs): one is not safe to share between threads.
"""

from typing import Any, Final

import msgspec
import zstandard

from rtrec.features.user import UserRecord, spend_at, taste_shares
from rtrec.features.user_spend import WINDOWS
from rtrec.settings import Users

FORMAT: Final = 1
PLAIN, ZSTD = range(2)
PACKED_FROM_BYTES: Final = 512
DAY_MS: Final = 86_400_000

_PLAIN_HEAD: Final = bytes((FORMAT, PLAIN))
_ZSTD_HEAD: Final = bytes((FORMAT, ZSTD))
_to_msgpack: Final = msgspec.msgpack.Encoder().encode
_from_msgpack: Final = msgspec.msgpack.Decoder(UserRecord).decode


def encode(record: UserRecord) -> bytes:
    """The stored form.

    >>> decode(encode(UserRecord(last_ts_ms=7))).last_ts_ms
    7
    """
    plain = _to_msgpack(record)
    if len(plain) < PACKED_FROM_BYTES:
        return _PLAIN_HEAD + plain
    return _ZSTD_HEAD + zstandard.ZstdCompressor(level=1).compress(plain)


def decode(stored: bytes) -> UserRecord:
    """The record of a stored form; ValueError for one that a newer release wrote."""
    check_format(stored, FORMAT, "user record")
    packed = memoryview(stored)[2:]
    return _from_msgpack(zstandard.ZstdDecompressor().decompress(packed) if stored[1] == ZSTD else packed)


def check_format(stored: bytes, known: int, what: str) -> None:
    """Refuse an empty value and a format newer than `known`."""
    if not stored or stored[0] > known:
        found = stored[0] if stored else "none"
        raise ValueError(f"{what}: format {found}, this release reads up to {known}; was it written by a newer one?")


def canonical_bytes(record: UserRecord) -> bytes:
    """What digests hash: the same for equal records on every machine."""
    return _to_msgpack(record)


def is_expired(record: UserRecord, partition_newest_ms: int, policy: Users) -> bool:
    """Whether the user was silent for longer than the policy keeps a record, by the partition's newest event."""
    return partition_newest_ms - record.last_ts_ms > policy.ttl_days * DAY_MS


def as_json(record: UserRecord, user_id: str, as_of_ms: int) -> dict[str, Any]:
    """The answer of GET /v1/users/{id}, as of `as_of_ms` or of the newest event if that is later."""
    as_of_ms = max(as_of_ms, record.last_ts_ms)
    shares = sorted(taste_shares(record).items(), key=lambda pair: (-pair[1], pair[0]))
    return {
        "user_id": user_id,
        "as_of_ms": as_of_ms,
        "attributes": dict(record.attributes),
        "recent_views": [msgspec.structs.asdict(view) for view in reversed(record.views)],
        "familiarity": [
            {"anchor_id": anchor_id, **msgspec.structs.asdict(known)}
            for anchor_id, known in reversed(record.familiarity.items())
        ],
        "tastes": [{"category": category, "share": share} for category, share in shares],
        "gift_value": dict(zip(WINDOWS, spend_at(record, as_of_ms), strict=True)),
        "follows": list(record.follows),
        "blocked": list(record.blocked),
    }
