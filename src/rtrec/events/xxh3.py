"""XXH3-64 for kernels: what `ids.hash_id` says of a text, said of bytes that stand in an array.

Rules
-----
- The same as the package `xxhash` says, for every length up to `MAX_HASHED_BYTES`; a test holds it length by length.
  Longer inputs have another form, in stripes, and may not be asked for.
- Everything is unsigned, places and lengths too: Numba makes a float of a signed and an unsigned integer.
- The constants are the algorithm's own (Collet, Cyan4973/xxHash, doc/xxhash_spec.md), seed 0.
"""

from typing import Any, Final

import numpy as np
from numba import njit, uint64

MAX_HASHED_BYTES: Final = 240

_SECRET: Final = np.frombuffer(
    bytes.fromhex(
        "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671fcb79e64eccc0e578825ad07dccff7221"
        "b8084674f743248ee03590e6813a264c3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8"
        "a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364eac5ac8334d3ebc3"
    ),
    np.uint8,
)
"""As much of the algorithm's secret as inputs of at most that length meet."""
_PRIME_1, _PRIME_2, _PRIME_3 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9
_LAST, _SHORT_LAST = 0x165667919E3779F9, 0x9FB21C651E98DF25
_FLIP_3, _FLIP_8, _FLIP_LOW, _FLIP_HIGH = 0x87275A9B, 0xC73AB174C5ECD5A2, 0x6782737BEA4239B9, 0xAF56BC3B0996523A
_EMPTY = 0x2D06800538D394C2
_HALF = 0xFFFFFFFF


@njit(cache=True, nogil=True)
def read32(data: Any, at: Any) -> Any:
    """Four bytes as a little-endian number. The compiler makes one load of it, as of `read64`."""
    low = uint64(data[at]) | (uint64(data[at + uint64(1)]) << uint64(8))
    high = uint64(data[at + uint64(2)]) | (uint64(data[at + uint64(3)]) << uint64(8))
    return low | (high << uint64(16))


@njit(cache=True, nogil=True)
def read64(data: Any, at: Any) -> Any:
    """Eight bytes as a little-endian number."""
    return read32(data, at) | (read32(data, at + uint64(4)) << uint64(32))


@njit(cache=True, nogil=True)
def xxh3(data: Any, at: Any, length: Any) -> Any:
    """The hash of `length` bytes from `at` on."""
    if length <= uint64(16):
        return _short(data, at, length)
    folded = length * uint64(_PRIME_1)
    if length > uint64(128):
        for k in range(uint64(8)):
            folded += _mixed(data, at + uint64(16) * k, uint64(16) * k)
        folded = _finished(folded)
        for k in range(uint64(8), length >> uint64(4)):
            folded += _mixed(data, at + uint64(16) * k, uint64(16) * (k - uint64(8)) + uint64(3))
        return _finished(folded + _mixed(data, at + length - uint64(16), uint64(119)))
    for k in range((length - uint64(1)) >> uint64(5), uint64(0), -1):
        step = uint64(16) * uint64(k)
        folded += _mixed(data, at + step, step + step)
        folded += _mixed(data, at + length - uint64(16) - step, step + step + uint64(16))
    folded += _mixed(data, at, uint64(0))
    return _finished(folded + _mixed(data, at + length - uint64(16), uint64(16)))


@njit(cache=True, nogil=True)
def _short(data: Any, at: Any, length: Any) -> Any:
    """Of at most 16 bytes."""
    end = at + length
    if length > uint64(8):
        low, high = read64(data, at) ^ uint64(_FLIP_LOW), read64(data, end - uint64(8)) ^ uint64(_FLIP_HIGH)
        return _finished(length + _swapped(low) + high + _folded(low, high))
    if length >= uint64(4):
        x = (read32(data, end - uint64(4)) | (read32(data, at) << uint64(32))) ^ uint64(_FLIP_8)
        x ^= _turned(x, uint64(49)) ^ _turned(x, uint64(24))
        x *= uint64(_SHORT_LAST)
        x ^= (x >> uint64(35)) + length
        x *= uint64(_SHORT_LAST)
        return x ^ (x >> uint64(28))
    if length == uint64(0):
        return uint64(_EMPTY)
    middle = uint64(data[at + (length >> uint64(1))])
    x = (uint64(data[at]) << uint64(16)) | (middle << uint64(24)) | uint64(data[end - uint64(1)])
    x = (x | (length << uint64(8))) ^ uint64(_FLIP_3)
    x = (x ^ (x >> uint64(33))) * uint64(_PRIME_2)
    x = (x ^ (x >> uint64(29))) * uint64(_PRIME_3)
    return x ^ (x >> uint64(32))


@njit(cache=True, nogil=True)
def _mixed(data: Any, at: Any, secret_at: Any) -> Any:
    """Sixteen bytes, folded with sixteen of the secret."""
    return _folded(
        read64(data, at) ^ read64(_SECRET, secret_at),
        read64(data, at + uint64(8)) ^ read64(_SECRET, secret_at + uint64(8)),
    )


@njit(cache=True, nogil=True)
def _folded(a: Any, b: Any) -> Any:
    """Both halves of the product of 128 bits, one over the other."""
    half, bits = uint64(_HALF), uint64(32)
    low, high = (a & half) * (b & half), (a >> bits) * (b >> bits)
    one, other = (a >> bits) * (b & half), (a & half) * (b >> bits)
    carry = (low >> bits) + (one & half) + other
    return (high + (one >> bits) + (carry >> bits)) ^ (a * b)


@njit(cache=True, nogil=True)
def _finished(x: Any) -> Any:
    x = (x ^ (x >> uint64(37))) * uint64(_LAST)
    return x ^ (x >> uint64(32))


@njit(cache=True, nogil=True)
def _turned(x: Any, bits: Any) -> Any:
    return (x << bits) | (x >> (uint64(64) - bits))


@njit(cache=True, nogil=True)
def _swapped(x: Any) -> Any:
    """Its bytes in the other order."""
    even, pairs = uint64(0x00FF00FF00FF00FF), uint64(0x0000FFFF0000FFFF)
    x = ((x >> uint64(8)) & even) | ((x & even) << uint64(8))
    x = ((x >> uint64(16)) & pairs) | ((x & pairs) << uint64(16))
    return _turned(x, uint64(32))
