from typing import Any

import msgspec
import pytest

from rtrec.ranking.requests import MAX_CANDIDATES, MAX_ITEMS, AnchorStateChange, RecommendRequest, ScoreRequest


def taken(shape: Any, body: dict[str, Any]) -> bool:
    try:
        msgspec.json.decode(msgspec.json.encode(body), type=shape)
    except msgspec.ValidationError:
        return False
    return True


CASES: list[tuple[Any, dict[str, Any], bool]] = [
    (ScoreRequest, {"candidates": ["a"]}, True),
    (ScoreRequest, {"candidates": [{"anchor_id": "a", "features": {"x": 0.7, "y": "s", "z": [True and "t"]}}]}, True),
    (ScoreRequest, {"candidates": []}, False),
    (ScoreRequest, {}, False),
    (ScoreRequest, {"candidates": ["a"] * MAX_CANDIDATES}, True),
    (ScoreRequest, {"candidates": ["a"] * (MAX_CANDIDATES + 1)}, False),
    (ScoreRequest, {"candidates": [""]}, False),
    (ScoreRequest, {"candidates": ["x" * 129]}, False),
    (ScoreRequest, {"candidates": [{"anchor_id": "a", "feature": {}}]}, False),
    (ScoreRequest, {"candidates": ["a"], "explain": True}, True),
    (ScoreRequest, {"candidates": ["a"], "explain": "gift"}, True),
    (ScoreRequest, {"candidates": ["a"], "explain": 1}, False),
    (ScoreRequest, {"candidates": ["a"], "user": {f"n{k}": 1 for k in range(65)}}, False),
    (RecommendRequest, {}, True),
    (RecommendRequest, {"n": MAX_ITEMS}, True),
    (RecommendRequest, {"n": 0}, False),
    (RecommendRequest, {"n": MAX_ITEMS + 1}, False),
    (RecommendRequest, {"filter": {"category": "dance", "tags": ["x"]}}, True),
    (RecommendRequest, {"filter": {"colour": "red"}}, False),
    (AnchorStateChange, {}, True),
    (AnchorStateChange, {"banned": None, "mode": "pk", "min_age": 18, "until_ms": 10**12}, True),
    (AnchorStateChange, {"mode": "trio"}, False),
    (AnchorStateChange, {"min_age": 151}, False),
    (AnchorStateChange, {"until_ms": 1_700_000_000}, False),
    (AnchorStateChange, {"band": True}, False),
]


@pytest.mark.parametrize(("shape", "body", "expected"), CASES)
def test_bounds(shape: Any, body: dict[str, Any], *, expected: bool) -> None:
    assert taken(shape, body) == expected
