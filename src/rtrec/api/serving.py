"""What the API needs of whoever hosts it: answers in the contract's shapes, and durable effects."""

from typing import Protocol

from rtrec.adapters.prometheus import Collector
from rtrec.ranking.requests import Answer, RecommendRequest, ScoreRequest


class Serving(Protocol):
    """The read side, scoring, and what producers and operators may change."""

    def anchor(self, anchor_id: str, at_ms: int | None) -> Answer | None:
        """An anchor's record; None if unknown."""

    def user(self, user_id: str, now_ms: int | None) -> Answer | None:
        """A user's record; None if unknown or erased."""

    def hot(
        self,
        n: int,
        category: str | None = None,
        region: str | None = None,
        language: str | None = None,
        at_ms: int | None = None,
    ) -> Answer:
        """Live anchors by heat."""

    def score(self, request: ScoreRequest) -> Answer:
        """Score candidates; RequestError for what is semantically wrong."""

    def recommend(self, request: RecommendRequest) -> Answer:
        """Recommend rooms; RequestError for what is semantically wrong."""

    def set_anchor_state(self, anchor_id: str, change: dict[str, object]) -> None:
        """Change the given fields; durable when it returns. Blocks."""

    def erase_user(self, user_id: str) -> None:
        """Erase a user; durable when it returns. Blocks."""

    def accept(self, events: list[bytes]) -> None:
        """Append valid events; durable when it returns. Blocks."""

    def ready(self) -> list[str]:
        """Reasons why not ready; none when ready."""

    def alarms(self) -> list[str]:
        """What is wrong though it is ready."""

    def models(self) -> Answer:
        """Versions that score, and how well they do."""


class Host(Protocol):
    """Who runs the stages, and serves what they know."""

    @property
    def serving(self) -> Serving:
        """What it serves."""

    def collect(self, metrics: dict[str, Collector]) -> None:
        """Bring the metrics up to date before they are scraped. Blocks."""
