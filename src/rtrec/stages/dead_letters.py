"""Dead letters: events that were not taken, kept with the reason and their bytes, and the alarm on their rate.

Rules
-----
- Nothing is lost: the original's first 64 KiB, its whole length and SHA-256, and where it stood in the log.
- A whole original can be requeued; one that was cut cannot.
- The stream never stops for bad events unless `dead_letters.on_cap = "stop"`: past the cap on their share the
  alarm says so, and it goes on.
"""

import hashlib
from typing import Final

import msgspec

from rtrec.events.schema import MAX_EVENT_BYTES
from rtrec.settings import DeadLetters
from rtrec.stages.messages import Record

VERSION = 1


class Cut(msgspec.Struct, frozen=True):
    """Headers of an original that was cut before it was appended: its length in bytes and hash as a whole."""

    length: int
    sha256: bytes


class DeadLetter(msgspec.Struct, frozen=True, array_like=True):
    """An event that was not taken: why (`field: fault`), where it stood, and what it was."""

    version: int
    reason: str
    topic: str
    partition: int
    offset: int
    original: bytes
    length: int
    sha256: bytes

    @property
    def whole(self) -> bool:
        """Whether `original` is all of it."""
        return self.length == len(self.original)


def cut(line: bytes) -> tuple[bytes, bytes | None]:
    """A line as it may be appended: (value, headers), the value cut to 64 KiB.

    >>> cut(b"short")
    (b'short', None)
    """
    if len(line) <= MAX_EVENT_BYTES:
        return line, None
    return line[:MAX_EVENT_BYTES], msgspec.msgpack.encode(Cut(len(line), hashlib.sha256(line).digest()))


def whole_length(record: Record) -> int:
    """The original's length in bytes, also where the record holds only its beginning."""
    known = _cut_of(record)
    return len(record.value) if known is None else known.length


def refuse(record: Record, topic: str, partition: int, reason: str) -> DeadLetter:
    """The dead letter of a record."""
    whole = _cut_of(record) or Cut(len(record.value), hashlib.sha256(record.value).digest())
    original = record.value[:MAX_EVENT_BYTES]
    return DeadLetter(VERSION, reason, topic, partition, record.offset, original, whole.length, whole.sha256)


def _cut_of(record: Record) -> Cut | None:
    """What the headers say of the whole; None where they are not ours: on a cluster a producer may write its own."""
    try:
        return None if record.headers is None else msgspec.msgpack.decode(record.headers, type=Cut)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def encode(letter: DeadLetter) -> bytes:
    """The message for the topic `dead_letters`."""
    return msgspec.msgpack.encode(letter)


def decode(value: bytes) -> DeadLetter:
    """ValueError for a version this code does not read."""
    letter = msgspec.msgpack.decode(value, type=DeadLetter)
    if letter.version != VERSION:
        msg = f"dead letter: written in format {letter.version}, this rtrec reads {VERSION}; use a newer rtrec"
        raise ValueError(msg)
    return letter


_CLASSES: Final = (
    ("unknown_reversal", "unknown_reversal"), ("too_late", "time"), ("future", "time"), ("missing", "missing"),
    ("bytes, got", "size"), ("expected JSON", "encoding"), ("expected UTF-8", "encoding"), ("Unicode", "encoding"),
    ("≤ 10^12", "bounds"), ("from 10^11", "bounds"), ("≥ 0, got -", "bounds"),
)  # fmt: skip


def reason_class(reason: str) -> str:
    """The bounded class of a reason, for metrics.

    >>> reason_class("gift.value: missing"), reason_class('gift.value: expected an integer ≥ 0, got "x"')
    ('missing', 'mistyped')
    """
    return next((name for mark, name in _CLASSES if mark in reason), "mistyped")


class Cap:
    """The share of refused events among the newest `cap_window`, in order of arrival."""

    def __init__(self, policy: DeadLetters) -> None:
        self._policy = policy
        self._refused = [False] * policy.cap_window
        self._next = 0
        self._count = 0

    @property
    def alarm(self) -> bool:
        """Whether the share is past the cap."""
        return self._count > self._policy.cap_share * self._policy.cap_window

    def add(self, *, refused: bool) -> None:
        """Note one event."""
        self._count += refused - self._refused[self._next]
        self._refused[self._next] = refused
        self._next = (self._next + 1) % len(self._refused)
