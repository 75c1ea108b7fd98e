"""What an anchor is in words: the current room's name and description, declared attributes. Changes rarely.

Stored beside the numbers, under a key of its own, and only when it changed.
"""

import msgspec

from rtrec.events.schema import MAX_ATTRIBUTES, Attribute, Event

VERSION = 1


class AnchorMeta(msgspec.Struct, array_like=True):
    """live_id and what live_start said of it; `attributes` from anchor_profile outlive rooms and windows."""

    version: int = VERSION
    live_id: str | None = None
    category: str | None = None
    title: str | None = None
    region: str | None = None
    language: str | None = None
    tags: list[str] = []
    attributes: dict[str, Attribute] = {}

    def open_room(self, live_id: str) -> None:
        """A room that an event only implies: its name is known, the anchor's description stays."""
        self.live_id = live_id

    def start_room(self, event: Event) -> None:
        """A live_start describes the room whole: what it leaves out is unknown."""
        self.category, self.title = event.category, event.title
        self.region, self.language = event.region, event.language
        self.tags = list(event.tags or [])

    def set_attributes(self, event: Event) -> None:
        """Merge an anchor_profile; beyond 64 names new ones are left out."""
        for name, value in (event.set or {}).items():
            if name in self.attributes or len(self.attributes) < MAX_ATTRIBUTES:
                self.attributes[name] = value


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
