"""Lines that no producer should send, each wrong whatever came before it."""

import json
import random
from collections.abc import Callable

from tests.replay.streams import Event

LONG = 10 * 1024 * 1024

Make = Callable[[random.Random, Event], bytes]


def hostile_line(rng: random.Random, good: Event) -> bytes:
    """One hostile line, made from a good event (a gift)."""
    return rng.choice(MAKERS)(rng, good)


def long_line(rng: random.Random, good: Event) -> bytes:
    """A comment whose channel is 10 MB long."""
    return _dump(good | {"channel": rng.choice("xyz") * LONG})


def _dump(event: Event) -> bytes:
    return json.dumps(event).encode()


def _with(**fields: object) -> Make:
    return lambda _rng, good: _dump(good | fields)


def _each(name: str, *values: object, **fields: object) -> list[Make]:
    return [_with(**fields, **{name: value}) for value in values]


def _without(name: str) -> Make:
    return lambda _rng, good: _dump({key: value for key, value in good.items() if key != name})


def _raw(name: str, text: bytes) -> Make:
    """A field whose value is written as it is."""
    return lambda _rng, good: _dump(good | {name: "@@"}).replace(b'"@@"', text)


def _truncated(rng: random.Random, good: Event) -> bytes:
    line = _dump(good)
    return line[: rng.randrange(1, len(line))]


def _line(text: bytes) -> Make:
    return lambda _rng, _good: text


MAKERS: tuple[Make, ...] = (
    _truncated,
    _truncated,
    _truncated,
    lambda _rng, good: _dump(good) + b" trailing",
    lambda _rng, good: _dump(good) * 2,
    *(_line(text) for text in (b"42", b"[]", b'"gift"', b"null", b"{}", b"not json", b"\xff\xfe\x00", b"{" * 500)),
    *(_raw("value", text) for text in (b"NaN", b"Infinity", b"-Infinity", b"1e999", b"1" + b"0" * 40, b"0x10")),
    *(_raw("value", text) for text in (b"[" * 20_000 + b"]" * 20_000, b'{"a":' * 8_000 + b"1" + b"}" * 8_000)),
    *(_raw("user_id", text) for text in (b'"\xff\xfe"', b'"\xc3"', b'"\\ud800"', b'"\\x41"')),
    *_each("value", -5, "5", True, None, [5], {"v": 5}, 1.5, 10**12 + 1),
    *_each("count", -1, "1", [], 10**40),
    *_each("ts_ms", 0, -1, 86_400_000, 1_712_345_678, "1712345678901", None, 253_402_300_799_000),
    _with(ts_ms=9_999_999_999_999),
    *_each("type", "gifft", "", "GIFT", 8, None, "user_erase", ["gift"]),
    *_each("event_id", "", "x" * 129, None, 1.5, ["e"], {}),
    *_each("anchor_id", "", "x" * 129, None, False),
    *_each("schema_version", 99, -1, "one"),
    *_each("watch_ms", -1, 86_400_001, "9", 10**40, type="view_end"),
    *_each("propensity", -0.1, 1.5, "high", type="impression"),
    _with(type="negative", kind="hate"),
    _with(type="follow", on="yes"),
    _with(type="user_profile", set={"city": {"nested": 1}}),
    _with(type="live_start", tags="dance"),
    *(_without(name) for name in ("event_id", "type", "ts_ms", "anchor_id", "user_id", "value")),
)
