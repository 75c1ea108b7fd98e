"""What operators say of an anchor: bans, regions, ages, mode.

What an operator set holds until `until_ms`, if given, and then lapses as a whole.
"""

from typing import Final

import msgspec


class AnchorState(msgspec.Struct, frozen=True, omit_defaults=True):
    """What operators say of an anchor. regions: None allows all; min_age: years, None any; mode: solo, pk or multi."""

    banned: bool = False
    regions_allow: list[str] | None = None
    regions_deny: list[str] | None = None
    min_age: int | None = None
    mode: str = "solo"
    until_ms: int | None = None
    reason: str | None = None

    def at(self, now_ms: int) -> "AnchorState":
        """The state in force at a time.

        >>> AnchorState(banned=True, until_ms=100).at(100).banned
        False
        """
        return DEFAULT if self.until_ms is not None and now_ms >= self.until_ms else self


DEFAULT: Final = AnchorState()
