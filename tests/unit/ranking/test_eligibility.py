"""Who may be shown to whom: a table of cases."""

from typing import Any

import pytest

from rtrec.features.anchor_meta import AnchorMeta
from rtrec.ranking.anchor_state import AnchorState
from rtrec.ranking.eligibility import Room, Viewer, matches, refusals
from rtrec.ranking.requests import Filter

CASES: list[tuple[dict[str, Any], dict[str, Any], list[str]]] = [
    ({}, {}, []),
    ({"banned": True}, {}, ["banned"]),
    ({"regions_allow": ["CN"]}, {"region": "CN"}, []),
    ({"regions_allow": ["CN"]}, {"region": "US"}, ["region"]),
    ({"regions_allow": ["CN"]}, {}, ["region"]),
    ({"regions_allow": []}, {"region": "CN"}, ["region"]),
    ({"regions_deny": ["US"]}, {"region": "US"}, ["region"]),
    ({"regions_deny": ["US"]}, {"region": "CN"}, []),
    ({"regions_deny": ["US"]}, {}, []),
    ({"regions_allow": ["US"], "regions_deny": ["US"]}, {"region": "US"}, ["region"]),
    ({"min_age": 18}, {"age": 18}, []),
    ({"min_age": 18}, {"age": 17.9}, ["min_age"]),
    ({"min_age": 18}, {}, ["min_age"]),
    ({"min_age": 18}, {"age": "35"}, ["min_age"]),
    ({"min_age": 0}, {}, ["min_age"]),
    ({"mode": "pk", "reason": "x"}, {}, []),
    ({"banned": True, "min_age": 18, "regions_deny": ["US"]}, {"region": "US"}, ["banned", "region", "min_age"]),
]


@pytest.mark.parametrize(("state", "attributes", "expected"), CASES)
def test_what_operators_say(state: dict[str, Any], attributes: dict[str, Any], expected: list[str]) -> None:
    """An unknown region is in no list; an unknown age is too young."""
    room = Room("a", live=True, meta=AnchorMeta(), state=AnchorState(**state))
    assert refusals(room, Viewer(attributes, ())) == expected


def test_rooms_that_are_not_live_or_that_the_viewer_blocked() -> None:
    room = Room("a", live=False, meta=AnchorMeta(), state=AnchorState())
    assert refusals(room, Viewer({}, {"a"})) == ["not_live", "blocked"]
    assert refusals(room._replace(live=True), Viewer({}, {"b"})) == []


META = AnchorMeta(category="dance", region="CN", language="zh", tags=["x", "y"])


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Filter(), True),
        (Filter(category="dance", region="CN", language="zh", tags=["y"]), True),
        (Filter(category="music"), False),
        (Filter(region="US"), False),
        (Filter(language="en"), False),
        (Filter(tags=["x", "z"]), False),
    ],
)
def test_a_filter_is_matched_in_every_given_field(wanted: Filter, *, expected: bool) -> None:
    assert matches(META, wanted) == expected
    assert matches(AnchorMeta(), wanted) == (wanted == Filter())
