"""What an anchor is in words: the current room's name and description, declared attributes. Changes rarely.

Stored beside the numbers, under a key of its own, and only when it changed.
"""

from typing import Final

import msgspec
from msgspec.structs import replace

from rtrec.events.schema import MAX_ATTRIBUTES, Attribute, Event

VERSION = 1


class AnchorMeta(msgspec.Struct, array_like=True, frozen=True):
    """live_id and what live_start said of it; `attributes` from anchor_profile outlive rooms and windows."""

    version: int = VERSION
    live_id: str | None = None
    category: str | None = None
    title: str | None = None
    region: str | None = None
    language: str | None = None
    tags: list[str] = []
    attributes: dict[str, Attribute] = {}

    def opened(self, live_id: str | None) -> "AnchorMeta":
        """In a room that an event only implies: its name is known, if it has one; the anchor's description stays."""
        return replace(self, live_id=live_id)

    def started(self, event: Event) -> "AnchorMeta":
        """A live_start describes the room whole: what it leaves out is unknown."""
        return replace(
            self, category=event.category, title=event.title, region=event.region, language=event.language,
            tags=list(event.tags or []),
        )  # fmt: skip

    def profiled(self, event: Event) -> "AnchorMeta":
        """With an anchor_profile's attributes merged in; beyond 64 names new ones are left out."""
        merged = dict(self.attributes)
        for name, value in (event.set or {}).items():
            if name in merged or len(merged) < MAX_ATTRIBUTES:
                merged[name] = value
        return replace(self, attributes=merged)

    def described(self) -> dict[str, Attribute]:
        """What declared attributes of an anchor are read from: the room's description, then its own attributes."""
        room = {"category": self.category, "region": self.region, "language": self.language, "tags": self.tags or None}
        return {**{name: value for name, value in room.items() if value is not None}, **self.attributes}


EMPTY: Final = AnchorMeta()
"""An anchor of which nothing was said."""


def encode(meta: AnchorMeta) -> bytes:
    """Canonical bytes: names sorted."""
    return msgspec.msgpack.encode(meta, order="sorted")


def decode(data: bytes) -> AnchorMeta:
    """ValueError for a version this code does not read."""
    meta = msgspec.msgpack.decode(data, type=AnchorMeta)
    if meta.version != VERSION:
        msg = f"anchor meta: written in format {meta.version}, this rtrec reads {VERSION}; use a newer rtrec"
        raise ValueError(msg)
    return meta
