"""Weights on their way from the learner to scorers: messages of the topic `weights`.

Rules
-----
- An update too large for one message goes in parts of one version; a scorer takes it when it has all of them, and
  applies it as one. A part of a higher version begins anew: what stays incomplete was a dead learner's. One of a lower
  version is a zombie's and passed over, so that it cannot break up the update it comes in between of.
- A version of the format stands first. What a newer release wrote is refused, never guessed.
"""

from typing import Final

import msgspec
import numpy as np

from rtrec.learning.weights import WeightsUpdate

FORMAT: Final = 1
SLOTS_A_PART: Final = 100_000
"""Slots in a message: with three heads 2.8 MB, well below the topic's `max.message.bytes`."""


class _Part(msgspec.Struct, frozen=True, array_like=True):
    format: int
    epoch: int
    offset: int
    part: int
    parts: int
    slots: bytes
    weights: bytes
    bias: bytes


def encode(update: WeightsUpdate) -> list[bytes]:
    """The messages of an update, to be sent in order."""
    parts = max(1, -(-len(update.slots) // SLOTS_A_PART))
    bias = update.bias.astype("<f8", copy=False).tobytes()
    messages = []
    for part in range(parts):
        some = slice(part * SLOTS_A_PART, (part + 1) * SLOTS_A_PART)
        slots, weights = update.slots[some].astype("<u4").tobytes(), update.weights[some].astype("<f8").tobytes()
        messages.append(
            msgspec.msgpack.encode(_Part(FORMAT, update.epoch, update.offset, part, parts, slots, weights, bias))
        )
    return messages


class Arriving:
    """Updates put together from their messages.

    >>> update = WeightsUpdate(1, 50, np.array([3]), np.array([[0.5]]), np.array([-1.0]))
    >>> [Arriving().add(message).offset for message in encode(update)]
    [50]
    """

    def __init__(self) -> None:
        self._version = (-1, -1)
        self._parts: list[_Part] = []

    def add(self, message: bytes) -> WeightsUpdate | None:
        """Take a message; the update that it completes. ValueError for a newer format."""
        part = msgspec.msgpack.decode(message, type=_Part)
        if part.format > FORMAT:
            raise ValueError(f"weights: format {part.format}, this rtrec reads up to {FORMAT}; use a newer rtrec")
        version = part.epoch, part.offset
        if version < self._version:
            return None
        if part.part == 0 or version != self._version:
            self._version, self._parts = version, []
        if part.part != len(self._parts):
            return None
        self._parts.append(part)
        if len(self._parts) < part.parts:
            return None
        bias = np.frombuffer(part.bias, "<f8")
        slots = np.frombuffer(b"".join(one.slots for one in self._parts), "<u4").astype(np.int64)
        weights = np.frombuffer(b"".join(one.weights for one in self._parts), "<f8").reshape(len(slots), len(bias))
        return WeightsUpdate(part.epoch, part.offset, slots, weights, bias)
