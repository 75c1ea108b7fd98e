"""Whether an answer of the system says what the oracle says, to the precision the contract names."""

from typing import Any

from tests.oracle.anchors import Partition
from tests.oracle.rules import HALF_LIVES, METRICS, WINDOWS

TOLERANCE = 1e-9


def differences(answer: dict[str, Any] | None, expected: dict[str, Any] | None) -> list[str]:
    """Everything in which a `show` answer departs from the oracle's; empty when it is right."""
    if answer is None or expected is None:
        return [] if answer is expected else [f"answer {answer is not None}, expected {expected is not None}"]
    return [*_sums(answer, expected), *_heat(answer["heat"], expected), *_room(answer, expected)]


def hot_differences(answer: dict[str, Any], oracle: Partition, n: int, at_ms: int) -> list[str]:
    """Everything in which a `hot` answer departs from brute force; anchors within 1e-9 may change places."""
    expected = oracle.hot(at_ms)[:n]
    rows = [(row["anchor_id"], row["heat"]) for row in answer["anchors"]]
    found = [f"length {len(rows)}, expected {len(expected)}"] if len(rows) != len(expected) else []
    if rows != sorted(rows, key=lambda row: (-row[1], row[0])):
        found.append(f"not in the order of (-heat, anchor_id): {rows}")
    heats = dict(oracle.hot(at_ms))
    for place, (row, wanted) in enumerate(zip(rows, expected, strict=False)):
        if row[0] != wanted[0] and not _close(heats.get(row[0], -1.0), wanted[1]):
            found.append(f"place {place}: {row}, expected {wanted}")
        if not _close(row[1], heats.get(row[0], -1.0)):
            found.append(f"heat of {row}, expected {heats.get(row[0])}")
    return found


def _sums(answer: dict[str, Any], expected: dict[str, Any]) -> list[str]:
    found = []
    for metric in METRICS:
        for window in WINDOWS:
            got, want = answer["windows"][metric][window], expected["windows"][metric][window]
            if got != want:
                found.append(f"windows.{metric}.{window} {got}, expected {want}")
        for name in HALF_LIVES:
            got, want = answer["decayed"][metric][name], expected["decayed"][metric][name]
            if not _close(got, want):
                found.append(f"decayed.{metric}.{name} {got!r}, expected {want!r}")
    return found


def _heat(heat: dict[str, Any], expected: dict[str, Any]) -> list[str]:
    found = []
    if not _close(heat["score"], expected["score"]):
        found.append(f"heat.score {heat['score']!r}, expected {expected['score']!r}")
    values = {term["metric"]: term["value"] for term in heat["terms"]}
    for metric, want in expected["heat_values"].items():
        if not _close(values.get(metric, 0.0), want):
            found.append(f"heat.terms.{metric} {values.get(metric)!r}, expected {want!r}")
    if not _close(sum(term["contribution"] for term in heat["terms"]), heat["score"]):
        found.append("heat.score is not the sum of its contributions")
    return found


def _room(answer: dict[str, Any], expected: dict[str, Any]) -> list[str]:
    names = ["as_of_ms", "live"]
    if not expected["idle"]:
        names.append("last_event_ms")
    if expected["live"]:
        names += ["live_id", "live_since_ms", "viewers"]
    return [f"{n} {answer[n]!r}, expected {expected[n]!r}" for n in names if answer[n] != expected[n]]


def _close(got: float, want: float) -> bool:
    return abs(got - want) <= TOLERANCE * max(1.0, abs(want))
