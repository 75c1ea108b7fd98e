"""A message of a topic, as the log hands it out."""

from typing import NamedTuple


class Record(NamedTuple):
    """One message of a partition. `headers` carries what the value cannot (a cut original's length and hash)."""

    offset: int
    append_ms: int
    key: bytes | None
    value: bytes
    headers: bytes | None
