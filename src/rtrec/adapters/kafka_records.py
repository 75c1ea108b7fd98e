"""A record as Kafka carries it: ours has one value for headers, Kafka's a list of named ones."""

from typing import Any, Final

from rtrec.ports import Record

HEADER: Final = "h"
"""The header that holds `Record.headers`; a producer may send others, which nobody here reads."""


def headers_of(headers: bytes | None) -> list[tuple[str, bytes]]:
    """Kafka's headers of a record of ours.

    >>> headers_of(b"x"), headers_of(None)
    ([('h', b'x')], [])
    """
    return [] if headers is None else [(HEADER, headers)]


def record_of(message: Any) -> Record:
    """A message that aiokafka or kafka-python read, as a record; a tombstone's value is empty."""
    headers = next((value for name, value in message.headers or () if name == HEADER), None)
    return Record(message.offset, message.timestamp, message.key, message.value or b"", headers)
