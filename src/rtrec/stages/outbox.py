"""An outbox: outputs that time or several inputs decided are committed before they are published, and numbered.

Rules
-----
- A turn's output gets the owner's next number and is stored under `out/{number}` in the turn's own commit. What was
  decided once is never decided again: after any failure the stored bytes are sent again.
- It is sent in order, after the commit. After a failed send, or at a takeover, everything stored is sent again.
- Only what was acknowledged is forgotten, with the next commit. The consumer takes only the next number (`Sequences`).
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from rtrec.stages.effects import Writes

PREFIX: Final = "out/"
NEXT: Final = "outbox"


class Outbox:
    """One owner's outputs that are not known to be published."""

    def __init__(self) -> None:
        self.next = 0
        self.waiting: dict[int, bytes] = {}
        self._acknowledged: list[int] = []

    def load(self, items: Mapping[str, bytes]) -> None:
        """Take what was stored."""
        if NEXT in items:
            self.next = msgspec.msgpack.decode(items[NEXT], type=int)
        stored = (key for key in items if key.startswith(PREFIX))
        self.waiting = {int(key.removeprefix(PREFIX), 16): items[key] for key in sorted(stored)}

    def add(self, value: bytes, writes: Writes) -> None:
        """Give an output its number and note it for the commit."""
        self.waiting[self.next] = value
        writes.puts[_key(self.next)] = value
        self.next += 1
        writes.puts[NEXT] = msgspec.msgpack.encode(self.next)

    def published(self) -> None:
        """All that waits was acknowledged."""
        self._acknowledged += self.waiting
        self.waiting = {}

    def forget(self, writes: Writes) -> None:
        """Note that what was acknowledged can go."""
        writes.puts.update(dict.fromkeys(map(_key, self._acknowledged)))
        self._acknowledged = []


class Sequences:
    """The numbers that a consumer of outboxes took, by owner: it takes the next one and no other.

    >>> taken = Sequences()
    >>> taken.take("3", 0), taken.take("3", 0), taken.take("3", 2), taken.take("3", 1)
    (True, False, False, True)
    """

    def __init__(self, following: Mapping[str, int] | None = None) -> None:
        self.following = dict(following or {})

    def take(self, owner: str, number: int) -> bool:
        """Whether this is the next of its owner, which is taken now; what is behind or ahead comes again, or came."""
        if number != self.following.get(owner, 0):
            return False
        self.following[owner] = number + 1
        return True


def _key(number: int) -> str:
    return f"{PREFIX}{number:016x}"
