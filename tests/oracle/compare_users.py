"""Whether an answer about a user says what the oracle says: exactly, but for taste shares."""

from typing import Any

TOLERANCE = 1e-9

EXACT = ("user_id", "as_of_ms", "attributes", "gift_value")
LISTS = ("recent_views", "familiarity", "follows", "blocked")


def differences(answer: dict[str, Any] | None, expected: dict[str, Any] | None) -> list[str]:
    """Everything in which a `GET /v1/users/{id}` departs from the oracle's; empty when it is right."""
    if answer is None or expected is None:
        return [] if answer is expected else [f"answer {answer is not None}, expected {expected is not None}"]
    missing = [f"{name} is missing" for name in expected if name not in answer]
    if missing:
        return missing
    exact = [f"{n} {answer[n]!r}, expected {expected[n]!r}" for n in EXACT if _typed(answer[n]) != _typed(expected[n])]
    lists = [fault for name in LISTS for fault in _list(name, answer[name], expected[name])]
    return [*exact, *lists, *_tastes(answer["tastes"], expected["tastes"])]


def _typed(value: Any) -> Any:
    """With true told from 1."""
    if isinstance(value, dict):
        return {name: _typed(one) for name, one in value.items()}
    return (isinstance(value, bool), value)


def _list(name: str, got: list[Any], want: list[Any]) -> list[str]:
    found = [f"{name}: length {len(got)}, expected {len(want)}"] if len(got) != len(want) else []
    wrong = [place for place, pair in enumerate(zip(got, want, strict=False)) if pair[0] != pair[1]]
    return found + [f"{name}.{place} {got[place]!r}, expected {want[place]!r}" for place in wrong[:3]]


def _tastes(got: list[dict[str, Any]], want: list[dict[str, Any]]) -> list[str]:
    """A share too small to tell from none may be left out; the order is that of the answer's own shares."""
    shares = {row["category"]: row["share"] for row in got}
    wanted = {row["category"]: row["share"] for row in want}
    found = [
        f"tastes.{category} {shares.get(category)!r}, expected {wanted.get(category)!r}"
        for category in {**wanted, **shares}
        if abs(shares.get(category, 0.0) - wanted.get(category, 0.0)) > TOLERANCE
    ]
    if got != sorted(got, key=lambda row: (-row["share"], row["category"])) or len(shares) != len(got):
        found.append(f"tastes are not in the order of (-share, category), each once: {got}")
    return found
