"""Paths into a message: `payload.user.id`, `items[0].price`, `payload["user.id"]`; `$.` before them says nothing.

Rules
-----
- A path leads to one value or to nothing; nothing, null, and a step into what has no such place are the same: absent.
- A reader (`Get`) takes the decoded message and gives the value, or None where it is absent.
"""

import json
import re
from collections.abc import Callable
from typing import Any, Final

Get = Callable[[dict[str, Any]], Any]
Steps = tuple[str | int, ...]

MAX_STEPS: Final = 16
MAX_PATH_CHARS: Final = 256
EXPECTED: Final = 'a path such as user.id, items[0].price or payload["user.id"]'

_STEP: Final = re.compile(r"""\.?([^\s.\[\]"']+)|\[([0-9]{1,6})\]|\[("(?:[^"\\]|\\.)+")\]""")


def parse_path(text: object) -> Steps | None:
    """A path's steps: names, and places in lists; None for what is no path.

    >>> parse_path("$.items[0].price"), parse_path('payload["user.id"].x'), parse_path("a..b"), parse_path("")
    (('items', 0, 'price'), ('payload', 'user.id', 'x'), None, None)
    """
    if not isinstance(text, str) or len(text) > MAX_PATH_CHARS or text == "$":
        return None
    rest = text.removeprefix("$") if text.startswith(("$.", "$[")) else f".{text}" if text[:1] != "[" else text
    steps: list[str | int] = []
    while rest:
        found = _STEP.match(rest)
        if found is None or (found[1] is not None and rest[0] != "."):
            return None
        rest = rest[found.end() :]
        try:
            steps.append(found[1] or (int(found[2]) if found[2] else json.loads(found[3])))
        except ValueError:  # an escape that JSON does not know
            return None
    return tuple(steps) if 0 < len(steps) <= MAX_STEPS and isinstance(steps[0], str) else None


def reader(steps: Steps) -> Get:
    """Read what a path leads to.

    >>> get = reader(("items", 0, "price"))
    >>> get({"items": [{"price": 5}]}), get({"items": []}), get({"items": 7})
    (5, None, None)
    """
    if len(steps) == 1:
        (key,) = steps
        return lambda message: message.get(key)  # type: ignore[arg-type]  # the first step is a name

    if len(steps) == 2 and isinstance(steps[1], str):
        first, second = steps

        def two(message: Any) -> Any:
            value = message.get(first)
            return value.get(second) if value.__class__ is dict else None

        return two

    def walk(message: Any) -> Any:
        value = message
        for step in steps:
            kind = value.__class__
            if kind is dict:
                value = value.get(step)
            elif kind is list and step.__class__ is int and step < len(value):
                value = value[step]
            else:
                return None
        return value

    return walk


def first_of(readers: list[Get]) -> Get:
    """Read the first of several that is there.

    >>> first_of([reader(("a",)), reader(("b",))])({"b": 2})
    2
    """
    if len(readers) == 1:
        return readers[0]

    def first(message: dict[str, Any]) -> Any:
        for get in readers:
            value = get(message)
            if value is not None:
                return value
        return None

    return first
