"""The stored form of an anchor's slot: sparse, versioned, a pure function of its state.

Layout (integers as LEB128 varints, 64-bit words little-endian):
version byte · last_ms · flags · room and category words, since, active, lease · viewers, viewers_ms · closed
rooms (count, ring place, words) · people (counts, bits) · decayed counters, per half-life a mask of metrics
that are not 0 and their words · the low parts · heat where it differs from the decayed counter of the same
half-life · cap slots · per level a mask of metrics, per metric a mask of tiles and the tiles.

Nothing that is 0 is written: an idle anchor is some 60 bytes. `tests/unit/features/test_anchor_codec.py`
holds the round trip and the sizes.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from rtrec.features.anchor_table import CAP_USERS, N_METRICS, PAST_ROOMS, PEOPLE_KINDS, REVERSIBLE, Anchors
from rtrec.features.decay import HALF_LIVES_MS
from rtrec.features.tiles import LENGTHS, STARTS

VERSION: Final = 1
MAX_RECORD_BYTES: Final = 16_384


@njit(cache=True, nogil=True)
def _varint(buffer: Any, at: Any, value: Any) -> Any:
    rest = np.uint64(value)
    while rest >= np.uint64(128):
        buffer[at] = np.uint8(rest & np.uint64(127)) | np.uint8(128)
        rest >>= np.uint64(7)
        at += 1
    buffer[at] = np.uint8(rest)
    return at + 1


@njit(cache=True, nogil=True)
def _read_varint(buffer: Any, at: Any) -> Any:
    value, shift = np.uint64(0), np.uint64(0)
    while True:
        byte = np.uint64(buffer[at])
        at += 1
        value |= (byte & np.uint64(127)) << shift
        if byte < np.uint64(128):
            return np.int64(value), at
        shift += np.uint64(7)


@njit(cache=True, nogil=True)
def _word(buffer: Any, at: Any, value: Any) -> Any:
    for k in range(8):
        buffer[at + k] = np.uint8((value >> np.uint64(8 * k)) & np.uint64(255))
    return at + 8


@njit(cache=True, nogil=True)
def _read_word(buffer: Any, at: Any) -> Any:
    value = np.uint64(0)
    for k in range(8):
        value |= np.uint64(buffer[at + k]) << np.uint64(8 * k)
    return value, at + 8


@njit(cache=True, nogil=True)
def _words(buffer: Any, at: Any, bits: Any, skip: Any) -> Any:
    """A mask of the words that differ from `skip`, then those words. bits, skip: uint64 [n ≤ 32]."""
    mask = np.uint64(0)
    for k in range(bits.shape[0]):
        if bits[k] != skip[k]:
            mask |= np.uint64(1) << np.uint64(k)
    at = _varint(buffer, at, mask)
    for k in range(bits.shape[0]):
        if bits[k] != skip[k]:
            at = _word(buffer, at, bits[k])
    return at


@njit(cache=True, nogil=True)
def _read_words(buffer: Any, at: Any, bits: Any) -> Any:
    """Overwrite the words that `_words` wrote."""
    mask, at = _read_varint(buffer, at)
    for k in range(bits.shape[0]):
        if (mask >> k) & 1:
            bits[k], at = _read_word(buffer, at)
    return at


@njit(cache=True, nogil=True)
def _encode_one(r: Any, half_life: Any, b: Any, at: Any, none: Any) -> Any:
    b[at] = VERSION
    at = _varint(b, at + 1, r.last_ms)
    at = _varint(b, at, r.room_flags)
    at = _word(b, at, r.room)
    at = _word(b, at, r.category)
    for value in (r.room_since_ms, r.room_active_ms, r.room_lease_ms, r.viewers, r.viewers_ms):
        at = _varint(b, at, value)
    at = _varint(b, at, r.past_next)
    at = _words(b, at, r.past_rooms, none)
    for kind in range(PEOPLE_KINDS):
        for age in range(2):
            at = _varint(b, at, r.people[kind, age])
            at = _varint(b, at, r.people_bits[kind, age])
    for h in range(HALF_LIVES_MS.shape[0]):
        at = _words(b, at, r.decayed[h].view(np.uint64), none)
        at = _words(b, at, r.decayed_low[h].view(np.uint64), none)
    at = _words(b, at, r.heat.view(np.uint64), r.decayed[half_life].view(np.uint64))
    at = _words(b, at, r.heat_low.view(np.uint64), r.decayed_low[half_life].view(np.uint64))
    mask = np.uint64(0)
    for q in range(N_METRICS):
        if r.cap_user[q, 0] != np.uint64(0):
            mask |= np.uint64(1) << np.uint64(q)
    at = _varint(b, at, mask)
    for q in range(N_METRICS):
        if r.cap_user[q, 0] == np.uint64(0):
            continue
        at = _words(b, at, r.cap_user[q], none)
        for k in range(CAP_USERS):
            if r.cap_user[q, k] != np.uint64(0):
                at = _word(b, at, r.cap_sum[q].view(np.uint64)[k])
                at = _varint(b, at, r.cap_since[q, k])
    return _encode_tiles(r.tiles, b, at)


@njit(cache=True, nogil=True)
def _encode_tiles(tiles: Any, b: Any, at: Any) -> Any:
    """Per level: which metrics have any tile, then per such metric which tiles, then their values."""
    masks = np.zeros(N_METRICS, np.uint64)
    for level in range(LENGTHS.shape[0]):
        start, length = STARTS[level], LENGTHS[level]
        for metric in range(N_METRICS):
            masks[metric] = np.uint64(0)
        for k in range(length):
            for metric in range(N_METRICS):
                masks[metric] |= np.uint64(tiles[start + k, metric] != 0) << np.uint64(k)
        present = np.uint64(0)
        for metric in range(N_METRICS):
            if masks[metric]:
                present |= np.uint64(1) << np.uint64(metric)
        at = _varint(b, at, present)
        for metric in range(N_METRICS):
            if masks[metric]:
                at = _varint(b, at, masks[metric])
                for k in range(length):
                    if tiles[start + k, metric] != 0:
                        at = _varint(b, at, tiles[start + k, metric])
    return at


@njit(cache=True, nogil=True)
def _encode(rows: Any, slots: Any, half_life: Any, buffer: Any, ends: Any) -> None:
    none = np.zeros(32, np.uint64)
    at = np.int64(0)  # typed, as in `anchor_table`
    for k in range(slots.shape[0]):
        at = _encode_one(rows[slots[k]], half_life, buffer, at, none)
        ends[k] = at


@njit(cache=True, nogil=True)
def _decode(rows: Any, i: Any, half_life: Any, b: Any) -> None:
    r = rows[i]
    r.last_ms, at = _read_varint(b, 1)
    flags, at = _read_varint(b, at)
    r.room_flags = flags
    r.room, at = _read_word(b, at)
    r.category, at = _read_word(b, at)
    r.room_since_ms, at = _read_varint(b, at)
    r.room_active_ms, at = _read_varint(b, at)
    r.room_lease_ms, at = _read_varint(b, at)
    r.viewers, at = _read_varint(b, at)
    r.viewers_ms, at = _read_varint(b, at)
    past, at = _read_varint(b, at)
    r.past_next = past % PAST_ROOMS
    at = _read_words(b, at, r.past_rooms)
    for kind in range(PEOPLE_KINDS):
        for age in range(2):
            r.people[kind, age], at = _read_varint(b, at)
            r.people_bits[kind, age], at = _read_varint(b, at)
    for h in range(HALF_LIVES_MS.shape[0]):
        at = _read_words(b, at, r.decayed[h].view(np.uint64))
        at = _read_words(b, at, r.decayed_low[h].view(np.uint64))
    for metric in range(N_METRICS):
        r.heat[metric] = r.decayed[half_life, metric]
    for low in range(REVERSIBLE):
        r.heat_low[low] = r.decayed_low[half_life, low]
    at = _read_words(b, at, r.heat.view(np.uint64))
    at = _read_words(b, at, r.heat_low.view(np.uint64))
    mask, at = _read_varint(b, at)
    for q in range(N_METRICS):
        if not (mask >> q) & 1:
            continue
        at = _read_words(b, at, r.cap_user[q])
        for k in range(CAP_USERS):
            if r.cap_user[q, k] != np.uint64(0):
                r.cap_sum[q].view(np.uint64)[k], at = _read_word(b, at)
                r.cap_since[q, k], at = _read_varint(b, at)
    _decode_tiles(r.tiles, b, at)


@njit(cache=True, nogil=True)
def _decode_tiles(tiles: Any, b: Any, at: Any) -> None:
    for level in range(LENGTHS.shape[0]):
        present, at = _read_varint(b, at)
        for metric in range(N_METRICS):
            if (present >> metric) & 1:
                mask, at = _read_varint(b, at)
                for k in range(LENGTHS[level]):
                    if (mask >> k) & 1:
                        tiles[STARTS[level] + k, metric], at = _read_varint(b, at)


def encode_slots(rows: Anchors, slots: NDArray[np.int64], half_life: int) -> list[bytes]:
    """The stored form of each slot, in order. half_life: place of the heat half-life in `decay.HALF_LIVES`."""
    records: list[bytes] = []
    for begin in range(0, len(slots), 256):
        some = slots[begin : begin + 256]
        buffer, ends = np.empty(len(some) * MAX_RECORD_BYTES, np.uint8), np.empty(len(some), np.int64)
        _encode(rows, some, half_life, buffer, ends)
        joined, marks = buffer[: ends[-1]].tobytes(), [0, *ends.tolist()]
        records += [joined[a:b] for a, b in pairwise(marks)]
    return records


def decode_into(rows: Anchors, slots: Sequence[int], records: Sequence[bytes], half_life: int) -> None:
    """Fill slots from their stored forms; ValueError for a version this code does not read."""
    for slot, record in zip(slots, records, strict=True):
        if not record or record[0] != VERSION:
            found = record[0] if record else "no"
            msg = f"anchor record: written in format {found}, this rtrec reads {VERSION}; use a newer rtrec"
            raise ValueError(msg)
        name = rows[slot]["anchor"]
        rows[slot] = 0
        rows[slot]["anchor"] = name
        _decode(rows, slot, half_life, np.frombuffer(record, np.uint8))
