"""Who may be shown to whom, as one table of small rules. Checked at recall and again just before the answer."""

from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

from rtrec.features.anchor_meta import AnchorMeta
from rtrec.ranking.anchor_state import AnchorState
from rtrec.ranking.requests import Filter


class Viewer(NamedTuple):
    """What eligibility knows of a viewer. blocked: anchors the viewer blocked."""

    attributes: Mapping[str, Any]
    blocked: Collection[str]


class Room(NamedTuple):
    """What eligibility knows of a candidate: live by lifecycle, words, and what operators say of it now."""

    anchor_id: str
    live: bool
    meta: AnchorMeta
    state: AnchorState


def _region_denied(room: Room, viewer: Viewer) -> bool:
    region = viewer.attributes.get("region")
    allow, deny = room.state.regions_allow, room.state.regions_deny
    return (allow is not None and region not in allow) or (deny is not None and region in deny)


def _too_young(room: Room, viewer: Viewer) -> bool:
    age, least = viewer.attributes.get("age"), room.state.min_age
    return least is not None and not (isinstance(age, int | float) and age >= least)


RULES: tuple[tuple[str, Callable[[Room, Viewer], bool]], ...] = (
    ("not_live", lambda room, _: not room.live),
    ("banned", lambda room, _: room.state.banned),
    ("region", _region_denied),
    ("min_age", _too_young),
    ("blocked", lambda room, viewer: room.anchor_id in viewer.blocked),
)
"""(name, whether it forbids). An unknown region is in no allow-list and no deny-list; an unknown age is too young."""


def refusals(room: Room, viewer: Viewer) -> list[str]:
    """Names of the rules that forbid showing this room to this viewer; [] when it may be shown."""
    return [name for name, forbids in RULES if forbids(room, viewer)]


def matches(meta: AnchorMeta, wanted: Filter) -> bool:
    """Whether a room's words match every given field of a filter."""
    return (
        (wanted.category is None or meta.category == wanted.category)
        and (wanted.region is None or meta.region == wanted.region)
        and (wanted.language is None or meta.language == wanted.language)
        and all(tag in meta.tags for tag in wanted.tags)
    )
