"""The settings an oracle needs, as plain values, and the constants of design §3. Shares no code with rtrec."""

from dataclasses import dataclass, field
from typing import Any

Event = dict[str, Any]

METRICS = (
    "views", "watch_ms", "impressions", "clicks", "gifts", "gift_value", "comments", "likes", "follows", "shares",
    "watchers", "gifters", "interactors",
)  # fmt: skip
PEOPLE = METRICS[10:]
COUNTERS = METRICS[:10]

WINDOWS = {
    "10s": (1_000, 10_000),
    "1m": (5_000, 60_000),
    "5m": (30_000, 300_000),
    "30m": (180_000, 1_800_000),
    "1h": (300_000, 3_600_000),
    "24h": (3_600_000, 86_400_000),
}
"""Window name -> (hop, width) in milliseconds."""

HALF_LIVES = {"1m": 60_000, "10m": 600_000, "1h": 3_600_000}
IDLE_MS = 90_000_000
BLOCK_MS = 300_000
CAP_SLOTS = 16
NO_HEAT = 1e-9
CLOSED_ROOMS = 8


@dataclass(frozen=True)
class Rules:
    """What is configurable of the anchor side, with the defaults of the texts."""

    future_ms: int = 60_000
    late_ms: int = 90_000_000
    duplicate_ms: int = 600_000
    duplicate_gift_ms: int = 86_400_000
    half_life: str = "10m"
    weights: dict[str, float] = field(
        default_factory=lambda: {"watchers": 1.0, "gifters": 5.0, "interactors": 2.0, "gift_value": 0.01}
    )
    event_caps: dict[str, float] = field(default_factory=dict)
    user_caps: dict[str, float] = field(default_factory=lambda: {"gift_value": 10_000.0})
    lease_ms: int = 90_000


def identity(value: Any) -> str | None:
    """An id as state keeps it: an integer is its decimal string."""
    return None if value is None else str(value)
