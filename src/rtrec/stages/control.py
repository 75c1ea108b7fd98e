"""CONTROL: bans, modes and erasures; small, read whole by every stage and API process, behind no queue.

Rules
-----
- The topic is compacted by key, so a message holds an anchor's whole state: the newest stands for all before.
- A change names only some fields (`changed`); null takes a field back to its default.
- An erasure is remembered for ever: late, replayed and rebuilt events of that user fall under it.
"""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from rtrec.ranking.anchor_state import DEFAULT, AnchorState
from rtrec.stages.effects import Effects

ANCHOR: Final = "anchor/"
ERASED: Final = "erased/"
REARM: Final = "learner_rearm"
REARM_KEY: Final = REARM.encode()
ERASED_AHEAD_MS: Final = 60_000
"""Milliseconds after an erasure in which a user's events still fall under it: clocks differ."""


class Message(msgspec.Struct, frozen=True, omit_defaults=True):
    """One message of the topic `control`."""

    kind: str
    at_ms: int
    anchor_id: str | None = None
    user_id: str | None = None
    state: AnchorState = DEFAULT


def changed(state: AnchorState, change: Mapping[str, object]) -> AnchorState:
    """A state with some fields set anew.

    >>> changed(AnchorState(banned=True, mode="pk"), {"banned": None}).mode
    'pk'
    """
    kept = {name: field for name, field in msgspec.to_builtins(state).items() if name not in change}
    return msgspec.convert(kept | {name: field for name, field in change.items() if field is not None}, AnchorState)


def anchor_state_message(anchor_id: str, state: AnchorState, now_ms: int) -> tuple[bytes, bytes]:
    """(key, value) that sets an anchor's state."""
    message = Message("anchor_state", now_ms, anchor_id=anchor_id, state=state)
    return f"anchor_state/{anchor_id}".encode(), msgspec.json.encode(message)


def erase_message(user_id: str, now_ms: int) -> tuple[bytes, bytes]:
    """(key, value) that erases a user as of now."""
    return f"user_erase/{user_id}".encode(), msgspec.json.encode(Message("user_erase", now_ms, user_id=user_id))


def rearm_message(now_ms: int) -> tuple[bytes, bytes]:
    """(key, value) that tells the learner to publish again, and to take the present as right."""
    return REARM_KEY, msgspec.json.encode(Message(REARM, now_ms))


def decode(value: bytes) -> Message:
    """A message of the topic."""
    return msgspec.json.decode(value, type=Message)


class ControlState:
    """Every anchor's state and every erasure."""

    def __init__(self) -> None:
        self.anchors: dict[str, AnchorState] = {}
        self.erased: dict[str, int] = {}

    def load(self, items: Iterable[tuple[str, bytes]]) -> None:
        """Take what was stored."""
        for key, value in items:
            if key.startswith(ANCHOR):
                self.anchors[key.removeprefix(ANCHOR)] = msgspec.json.decode(value, type=AnchorState)
            elif key.startswith(ERASED):
                self.erased[key.removeprefix(ERASED)] = msgspec.json.decode(value, type=int)

    def anchor(self, anchor_id: str, now_ms: int) -> AnchorState:
        """An anchor's state in force."""
        return self.anchors.get(anchor_id, DEFAULT).at(now_ms)

    def apply(self, value: bytes) -> tuple[Effects, Message]:
        """Take one message; its writes, and the message for the stages it concerns."""
        message, effects = decode(value), Effects()
        if message.anchor_id is not None:
            self.anchors[message.anchor_id] = message.state
            effects.writes.puts[ANCHOR + message.anchor_id] = msgspec.json.encode(message.state)
        if message.user_id is not None and message.at_ms > self.erased.get(message.user_id, 0):
            self.erased[message.user_id] = message.at_ms
            effects.writes.puts[ERASED + message.user_id] = msgspec.json.encode(message.at_ms)
        return effects, message
