"""What apps ask for and what they get, as values: the shapes of `/v1/score` and `/v1/recommend`.

Bounds stand here once; the API decodes into these structs and documents them from these structs.
"""

from typing import Annotated, Any

from msgspec import Meta, Struct

from rtrec.events.schema import Attribute

MAX_CANDIDATES = 1_000
MAX_ITEMS = 200

Id = Annotated[str, Meta(min_length=1, max_length=128)]
Name = Annotated[str, Meta(min_length=1, max_length=64)]
Attributes = Annotated[dict[Name, Attribute], Meta(max_length=64)]


class Candidate(Struct, frozen=True, forbid_unknown_fields=True):
    """An anchor to score, with values of the request's own that win over stored attributes."""

    anchor_id: Id
    features: Attributes = {}


class ScoreRequest(Struct, frozen=True):
    """`POST /v1/score`. No user_id is a guest. `explain` names a head; true takes the first configured."""

    candidates: Annotated[list[Id | Candidate], Meta(min_length=1, max_length=MAX_CANDIDATES)]
    user_id: Id | None = None
    user: Attributes = {}
    context: Attributes = {}
    request_id: Id | None = None
    variant: Name | None = None
    log: Annotated[list[Id], Meta(max_length=MAX_CANDIDATES)] = []
    explain: bool | Name = False


class Filter(Struct, frozen=True, forbid_unknown_fields=True):
    """Only rooms that match every given field."""

    category: str | None = None
    region: str | None = None
    language: str | None = None
    tags: Annotated[list[str], Meta(max_length=64)] = []


class RecommendRequest(Struct, frozen=True):
    """`POST /v1/recommend`. `candidates` is the app's own recall; `cursor` is the last answer's `next_cursor`."""

    user_id: Id | None = None
    n: Annotated[int, Meta(ge=1, le=MAX_ITEMS)] = 20
    candidates: Annotated[list[Id], Meta(max_length=MAX_CANDIDATES)] = []
    filter: Filter = Filter()
    context: Attributes = {}
    user: Attributes = {}
    exclude: Annotated[list[Id], Meta(max_length=MAX_CANDIDATES)] = []
    cursor: Annotated[str, Meta(max_length=16_384)] | None = None
    request_id: Id | None = None
    variant: Name | None = None


class AnchorStateChange(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """`PUT /v1/anchors/{id}/state`. A field left out stays as it is; null takes it back to its default."""

    banned: bool | None = None
    regions_allow: Annotated[list[str], Meta(max_length=256)] | None = None
    regions_deny: Annotated[list[str], Meta(max_length=256)] | None = None
    min_age: Annotated[int, Meta(ge=0, le=150)] | None = None
    mode: Annotated[str, Meta(pattern="^(solo|pk|multi)$")] | None = None
    until_ms: Annotated[int, Meta(ge=10**11, le=10**13)] | None = None
    reason: Annotated[str, Meta(max_length=1_024)] | None = None


Answer = dict[str, Any]
"""A response in the contract's shape."""
