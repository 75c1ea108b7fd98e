"""A stand-in for the host in unit tests of the API alone; integration tests use the real one."""

from typing import Any

from rtrec.adapters.prometheus import Collector
from rtrec.ranking.errors import RequestError
from rtrec.ranking.requests import Answer, RecommendRequest, ScoreRequest


class FakeServing:
    """Knows anchor a1 and user u1, keeps what it is told, and fails on the user `breaks`."""

    def __init__(self) -> None:
        self.accepted: list[bytes] = []
        self.changes: list[tuple[str, dict[str, object]]] = []
        self.erased: list[str] = []
        self.asked: list[Any] = []
        self.reasons: list[str] = []
        self.raised: list[str] = []

    def anchor(self, anchor_id: str, at_ms: int | None) -> Answer | None:
        return {"anchor_id": anchor_id, "at_ms": at_ms} if anchor_id in {"a1", "a/1"} else None

    def user(self, user_id: str, now_ms: int | None) -> Answer | None:  # noqa: ARG002 - as the host has it
        return {"user_id": user_id} if user_id == "u1" and user_id not in self.erased else None

    def hot(self, n: int, **matching: object) -> Answer:
        self.asked.append((n, matching))
        return {"as_of_ms": 1, "anchors": []}

    def score(self, request: ScoreRequest) -> Answer:
        self.asked.append(request)
        if request.user_id == "breaks":
            raise ZeroDivisionError("a secret of the inside")
        if request.variant == "unknown":
            raise RequestError("variant: expected one of default, heat_only, got unknown", "/variant")
        return {"request_id": "r1", "scores": []}

    def recommend(self, request: RecommendRequest) -> Answer:
        self.asked.append(request)
        return {"request_id": "r1", "items": []}

    def set_anchor_state(self, anchor_id: str, change: dict[str, object]) -> None:
        self.changes.append((anchor_id, change))

    def erase_user(self, user_id: str) -> None:
        self.erased.append(user_id)

    def accept(self, events: list[bytes]) -> None:
        self.accepted += events

    def ready(self) -> list[str]:
        return self.reasons

    def alarms(self) -> list[str]:
        return self.raised

    def models(self) -> Answer:
        return {"online": {"version": None, "age_ms": None}, "batch": None, "progress": {"heads": {}}, "outcomes": {}}


class FakeHost:
    """A host that only serves and measures."""

    def __init__(self) -> None:
        self.serving = FakeServing()

    def collect(self, metrics: dict[str, Collector]) -> None:
        metrics["rtrec_store_bytes"].set(77)  # type: ignore[union-attr]
