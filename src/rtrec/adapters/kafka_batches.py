"""What a fetch brought of a partition, in columns: a batch is read whole, by a kernel.

Rules
-----
- aiokafka makes three objects of each record, and a generator's turn: 2 µs an event, and collections beside; here it
  is 0.2 µs. Only that is replaced (`read_whole`). Positions, aborted transactions and control batches stay as aiokafka
  has them.
- What is yielded is a piece of many records (`Records`), at most `PIECE_RECORDS` and about `PIECE_BYTES` unless one
  batch has more. So the consumer's `max_poll_records` counts pieces.
- Batches of the formats before Kafka 0.11, which a log may still hold, are read by aiokafka.
- Only the header that is ours is kept of a record's headers.
"""

from collections.abc import Callable, Iterator
from struct import Struct
from types import FunctionType, MethodType
from typing import Any, Final, NamedTuple

import aiokafka.consumer.fetcher as theirs
import numpy as np
from aiokafka import codec
from aiokafka.errors import CorruptRecordException
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c
from numba import njit

from rtrec.adapters.kafka_records import HEADER, record_of
from rtrec.stages.records import ABSENT, PLACES, Records

PIECE_RECORDS: Final = 20_000
PIECE_BYTES: Final = 4 << 20
_HEADER: Final = Struct(">qiibIhiqqqhii")
_CRC_FROM: Final = 21
_LENGTH_TO: Final = 12
_MAGIC_AT: Final = 16
_MAGIC: Final = 2
_CODEC, _APPEND_TIME, _TRANSACTIONAL, _CONTROL = 0x07, 0x08, 0x10, 0x20
_DECOMPRESS: Final[dict[int, Callable[[bytes], bytes]]] = {
    0: lambda payload: payload, 1: codec.gzip_decode, 2: codec.snappy_decode, 3: codec.lz4_decode, 4: codec.zstd_decode,
}  # fmt: skip
_OURS: Final = HEADER.encode()[0]


class Batch(NamedTuple):
    """A batch's header, and all of its bytes."""

    data: bytes
    offset: int
    length: int
    epoch: int
    magic: int
    crc: int
    attributes: int
    last: int
    first_ms: int
    max_ms: int
    producer_id: int
    producer_epoch: int
    sequence: int
    records: int

    @property
    def next_offset(self) -> int:
        """The offset after its last, also where compaction took that one away."""
        return self.offset + self.last + 1


class Fetched:
    """A fetch's bytes of one partition; takes the place of aiokafka's `MemoryRecords`. The last batch may be cut."""

    def __init__(self, data: bytes) -> None:
        self.data = bytes(data)

    def size_in_bytes(self) -> int:
        """All bytes."""
        return len(self.data)

    def has_next(self) -> bool:
        """Whether there is a whole batch."""
        return next(self.batches(), None) is not None

    def batches(self) -> Iterator[bytes]:
        """The bytes of each whole batch."""
        at, data = 0, self.data
        while at + _LENGTH_TO <= len(data):
            end = at + _LENGTH_TO + int.from_bytes(data[at + 8 : at + _LENGTH_TO], "big", signed=True)
            if end > len(data) or end <= at + _LENGTH_TO:
                return
            yield data[at:end]
            at = end


class Pieces(theirs.PartitionRecords):  # type: ignore[misc]
    """A fetch's records of one partition, as `Records`; takes the place of aiokafka's `PartitionRecords`."""

    def _unpack_records(self) -> Iterator[Records]:
        parts, count, size = list[Records](), 0, 0
        for data in self._records.batches():
            part, next_offset = self._read(data)
            count, size = count + len(part), size + len(part.blob)
            if parts and (count > PIECE_RECORDS or size > PIECE_BYTES):
                yield Records.joined(parts)
                parts, count, size = [], len(part), len(part.blob)
            self.next_fetch_offset = next_offset
            if len(part):
                parts.append(part)
        if parts:
            yield Records.joined(parts)

    def _read(self, data: bytes) -> tuple[Records, int]:
        """What is to be handed on of a batch, and the offset after it."""
        if data[_MAGIC_AT] < _MAGIC:
            old = MemoryRecords(data).next_batch()
            self._require(good=not self._check_crcs or old.validate_crc())
            found = [record_of(one)._replace(append_ms=one.timestamp or 0) for one in old]  # the oldest have none
            return Records.of(found).since(self.next_fetch_offset), old.next_offset
        batch = Batch(data, *_HEADER.unpack_from(data))
        self._require(good=not self._check_crcs or calc_crc32c(data[_CRC_FROM:]) == batch.crc)
        if self._is_passed_over(batch):
            return Records.of(()), batch.next_offset
        return unpacked(batch).since(self.next_fetch_offset), batch.next_offset

    def _is_passed_over(self, batch: Batch) -> bool:
        """Whether it is of an aborted transaction, or of no producer but the broker."""
        control, producer = bool(batch.attributes & _CONTROL), batch.producer_id
        if self._isolation_level == theirs.READ_COMMITTED:
            self._consume_aborted_up_to(batch.offset)
            if control and self._contains_abort_marker(MemoryRecords(batch.data).next_batch()):
                self._aborted_producers.discard(producer)
            if batch.attributes & _TRANSACTIONAL and producer in self._aborted_producers:
                return True
        return control

    def _require(self, *, good: bool) -> None:
        if not good:
            raise CorruptRecordException(f"Invalid CRC - {self._tp}")


def read_whole(fetcher: theirs.Fetcher) -> None:
    """Let a consumer's fetcher make `Records` of what it fetches: its own code, with our two classes in it."""
    code = type(fetcher)._proc_fetch_request.__code__  # noqa: SLF001 - there is no public way to its bytes
    names = {**vars(theirs), "MemoryRecords": Fetched, "PartitionRecords": Pieces}
    fetcher._proc_fetch_request = MethodType(FunctionType(code, names), fetcher)  # noqa: SLF001


def load_kernels() -> None:
    """Compile them, or load what was compiled. Who waits for that holds no partition yet."""
    _find(np.frombuffer(b"\0", np.uint8), np.zeros(1, PLACES))
    Records.joined([Records.of(()), Records.of(())])


def unpacked(batch: Batch) -> Records:
    """A batch's records; CorruptRecordException where they are not as long as it says."""
    decompress = _DECOMPRESS.get(batch.attributes & _CODEC)
    if decompress is None:
        raise CorruptRecordException(f"offset {batch.offset}: an unknown codec, {batch.attributes & _CODEC}")
    blob = decompress(batch.data[_HEADER.size :])
    places = np.zeros(max(batch.records, 0), PLACES)
    size = _find(np.frombuffer(blob, np.uint8), places)
    if size != len(blob):
        raise CorruptRecordException(f"offset {batch.offset}: {batch.records} records do not fill {len(blob)} bytes")
    places["offset"] += batch.offset
    if batch.attributes & _APPEND_TIME:
        places["append_ms"] = batch.max_ms
    else:
        places["append_ms"] += batch.first_ms
    return Records(blob, places)


@njit(cache=True, nogil=True)
def _number(blob: Any, at: Any) -> Any:
    """(a number of 7 bits a byte, zigzag, where it ends); the end is -1 where the bytes end before."""
    found, shift = np.uint64(0), np.uint64(0)
    for place in range(at, min(blob.shape[0], at + 10)):
        found |= np.uint64(blob[place] & 0x7F) << shift
        if blob[place] < 0x80:
            return np.int64(found >> np.uint64(1)) ^ -np.int64(found & np.uint64(1)), place + 1
        shift += np.uint64(7)
    return np.int64(0), -1


@njit(cache=True, nogil=True)
def _span(blob: Any, at: Any) -> Any:
    """(begin, end) of bytes after their length: (ABSENT, at) for none; an end of -1 where the bytes end before."""
    length, at = _number(blob, at)
    if at < 0 or length > blob.shape[0] - at:
        return ABSENT, -1
    if length < 0:
        return ABSENT, at
    return at, at + length


@njit(cache=True, nogil=True)
def _find(blob: Any, places: Any) -> Any:
    """Find every record's parts: offset and time as they count from the batch's; where the last ends, -1 for damage."""
    at = 0
    for k in range(places.shape[0]):
        length, at = _number(blob, at)
        end = at + length
        if at < 0 or length < 1 or end > blob.shape[0]:
            return -1
        row = places[k]
        row["append_ms"], at = _number(blob, at + 1)
        if at < 0:
            return -1
        row["offset"], at = _number(blob, at)
        if at < 0:
            return -1
        row["key"], at = _span(blob, at)
        row["key_end"] = at
        if at < 0:
            return -1
        row["value"], at = _span(blob, at)
        row["value_end"] = at
        if at < 0:
            return -1
        if row["value"] < 0:
            row["value"] = at
        row["headers"] = ABSENT
        count, at = _number(blob, at)
        for _ in range(count):
            if at < 0:
                return -1
            name, at = _span(blob, at)
            if at < 0 or name < 0:
                return -1
            ours = at - name == 1 and blob[name] == _OURS and row["headers_end"] == 0  # the first of that name
            first, at = _span(blob, at)
            if ours:
                row["headers"], row["headers_end"] = first, at
        if at != end:
            return -1
    return at
