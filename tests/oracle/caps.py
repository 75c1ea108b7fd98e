"""What an event may add to heat (design §3): a cap per event, then a cap per user.

`added = clip(cap_user - s_user(ts), 0, value)` over 16 users per anchor and capped metric. A newcomer takes a free
slot, or the smallest one (the first of equals) if its value exceeds that slot's sum at ts, and starts from 0;
one who finds none has s_user = 0 and leaves no trace. Sums decay with the half-life of heat.
"""

from dataclasses import dataclass, field

from tests.oracle.ledger import Tenancy
from tests.oracle.rules import CAP_SLOTS, HALF_LIVES, Rules


@dataclass
class CapTable:
    """The users of one anchor and one metric."""

    cap: float
    half_life_ms: int
    slots: list[Tenancy] = field(default_factory=list)

    def add(self, user_id: str, ts_ms: int, value: float) -> tuple[float, Tenancy | None]:
        """What of `value` counts, and the stay it was noted in."""
        stay = self._stay(user_id, ts_ms, value)
        spent = 0.0 if stay is None else stay.sum_at(ts_ms, self.half_life_ms)
        added = min(max(self.cap - spent, 0.0), value)
        if stay is not None:
            stay.added.append((ts_ms, added))
        return added, stay

    def _stay(self, user_id: str, ts_ms: int, value: float) -> Tenancy | None:
        for tenancy in self.slots:
            if tenancy.user_id == user_id:
                return tenancy
        newcomer = Tenancy(user_id)
        if len(self.slots) < CAP_SLOTS:
            self.slots.append(newcomer)
            return newcomer
        sums = [tenancy.sum_at(ts_ms, self.half_life_ms) for tenancy in self.slots]
        smallest = sums.index(min(sums))
        if value <= sums[smallest]:
            return None
        self.slots[smallest] = newcomer
        return newcomer


@dataclass
class Caps:
    """All caps of one anchor."""

    rules: Rules
    tables: dict[str, CapTable] = field(default_factory=dict)

    def add(
        self, user_id: str, ts_ms: int, raw: dict[str, int]
    ) -> tuple[dict[str, float], list[tuple[Tenancy, tuple[int, float]]]]:
        """The capped amounts of an event, and where user caps noted them."""
        capped: dict[str, float] = {}
        stays = []
        for metric, amount in raw.items():
            value = min(float(amount), self.rules.event_caps.get(metric, float("inf")))
            if metric in self.rules.user_caps:
                table = self.tables.setdefault(
                    metric, CapTable(self.rules.user_caps[metric], HALF_LIVES[self.rules.half_life])
                )
                value, stay = table.add(user_id, ts_ms, value)
                if stay is not None:
                    stays.append((stay, (ts_ms, value)))
            capped[metric] = value
        return capped, stays
