"""What can be wrong: with a mapping (every fault with its place), and with one message (the first fault ends it)."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

MAX_SHOWN_CHARS: Final = 80


class Unfit(Exception):
    """A message, or a value of it, that the mapping cannot read; the text says what was expected."""


class MappingError(ValueError):
    """A mapping that cannot be used; `faults` has one message for each fault."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


class Faults(list[str]):
    """Faults found so far, each worded `place: what`."""

    def unexpected(self, where: str, expected: str, got: object) -> None:
        """A value that is not what belongs there."""
        self.append(f"{where}: expected {expected}, got {shown(got)}")

    def missing(self, where: str, why: str = "") -> None:
        """A place that must not be empty."""
        self.append(f"{where}: missing{why}")

    def table(self, where: str, value: object, known: Iterable[str]) -> dict[str, Any]:
        """A table of known keys; what is unknown is a fault and is left out, what is no table is an empty one."""
        if not isinstance(value, dict):
            self.unexpected(where, "a table", value)
            return {}
        names = tuple(known)
        for key in value:
            if key not in names:
                place = f"{where}.{key}" if where else key
                self.append(f"{place}: unknown; known are {', '.join(names)}")
        return {key: one for key, one in value.items() if key in names}


def shown(value: object) -> str:
    """A value as JSON, cut to a line.

    >>> shown("x" * 100)[-3:], shown({"a": 1}), shown([1, 2]), shown({})
    ('xx…', 'a table', 'a list of 2', 'a table')
    """
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    text = json.dumps(value, default=str)
    return text if len(text) <= MAX_SHOWN_CHARS else text[: MAX_SHOWN_CHARS - 1] + "…"
