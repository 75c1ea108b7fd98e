"""Numbers and times of a message, in exact decimal arithmetic.

Rules
-----
- A number is a JSON number, or digits in a string as money often comes (`"19.99"`). A float means its shortest
  decimal, as it was written: 19.99 times 100 is 1999.
- What must be an integer and is none is refused; only durations and the like may be rounded, and must say so.
- A time becomes milliseconds, rounded down; ISO 8601 without an offset is refused unless the mapping gives one.
- Magnitudes are bounded before anything is computed; our bounds proper are the codec's.
"""

import re
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import ROUND_FLOOR, Context, Decimal
from typing import Any, Final

from rtrec.events.mapping_faults import Unfit, shown
from rtrec.events.mapping_paths import Get

MAX_MAGNITUDE: Final = 1e30
UNITS: Final = {"ms": (1, 1), "s": (1_000, 1), "us": (1, 1_000), "ns": (1, 1_000_000)}
"""A unit of time is the first number of milliseconds, divided by the second."""
ISO8601: Final = "iso8601"

_TENS: Final = frozenset(10**digits for digits in range(13))
_SHORT: Final = 1e15
_EXACT: Final = Context(prec=120)  # 60 digits of a number times those of a factor, and room
_NUMERAL: Final = re.compile(r"-?[0-9]{1,30}(?:\.[0-9]{1,30})?", re.ASCII)
_OFFSET: Final = re.compile(r"Z|[+-][0-9]{2}:[0-9]{2}", re.ASCII)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


def decimal_of(value: Any) -> Decimal | None:
    """The number that a value means; None where it means none.

    >>> decimal_of(19.99), decimal_of("19.99"), decimal_of(True), decimal_of("1e9"), decimal_of(10**40)
    (Decimal('19.99'), Decimal('19.99'), None, None, None)
    """
    kind = value.__class__
    if kind is str:
        return Decimal(value) if _NUMERAL.fullmatch(value) else None
    if (kind is int or kind is float) and -MAX_MAGNITUDE < value < MAX_MAGNITUDE:
        return Decimal(repr(value))
    return None  # a bool is not one either


def scaled(get: Get, factor: Decimal, at: str, *, whole: bool, down: bool) -> Get:
    """Read a number times a factor.

    Parameters
    ----------
    at: the paths, for refusals.
    whole: the result must be an integer, else it becomes a float.
    down: what is no integer is rounded down to one.
    """
    integral = int(factor) if whole and factor == int(factor) else 0
    tens = integral if integral in _TENS else 0

    def read(message: dict[str, Any]) -> Any:
        value = get(message)
        kind = value.__class__
        if kind is int and integral and -MAX_MAGNITUDE < value < MAX_MAGNITUDE:
            return value * integral
        if kind is float and tens and -_SHORT < (near := value * tens) < _SHORT:
            result = round(near)
            if result / tens == value:  # at most 15 digits: `value` is the float of this decimal and of no shorter one
                return result
        if value is None:
            return None
        number = decimal_of(value)
        if number is None:
            raise Unfit(f"expected a number at {at}, got {shown(value)}")
        product = _EXACT.multiply(number, factor)
        if not whole:
            return float(product)
        floor = product.to_integral_value(ROUND_FLOOR)
        if floor != product and not down:
            raise Unfit(f"expected an integer from {at} × {factor}, got {shown(value)} × {factor}")
        return int(floor)

    return read


def time_in(get: Get, unit: str, at: str) -> Get:
    """Read a number of a unit of time as milliseconds since 1970, rounded down.

    >>> time_in(lambda message: message["t"], "s", "t")({"t": 1700000000.1239})
    1700000000123
    """
    times, parts = UNITS[unit]
    any_number = scaled(get, Decimal(times) / parts, at, whole=True, down=True)

    def read(message: dict[str, Any]) -> Any:
        value = get(message)
        if value.__class__ is int and -MAX_MAGNITUDE < value < MAX_MAGNITUDE:
            return value * times // parts
        return any_number(message)

    return read


def iso_time(get: Get, zone: tzinfo | None, at: str) -> Get:
    """Read an ISO 8601 text as milliseconds since 1970; `zone` is that of texts without an offset.

    >>> iso_time(lambda message: message["t"], None, "t")({"t": "2023-11-14T22:13:20.5Z"})
    1700000000500
    """

    def read(message: dict[str, Any]) -> Any:
        value = get(message)
        if value is None:
            return None
        try:
            time = datetime.fromisoformat(value)
        except (TypeError, ValueError):
            raise Unfit(f"expected an ISO 8601 time at {at}, got {shown(value)}") from None
        if time.tzinfo is None:
            if zone is None:
                raise Unfit(f"expected an ISO 8601 time with an offset at {at}, got {shown(value)} (set time.offset?)")
            time = time.replace(tzinfo=zone)
        return (time - _EPOCH) // _MILLISECOND

    return read


def offset_of(text: object) -> tzinfo | None:
    """An offset from UTC such as `+08:00` or `Z`; None for what is none.

    >>> offset_of("+08:00"), offset_of("Z"), offset_of("CET")
    (datetime.timezone(datetime.timedelta(seconds=28800)), datetime.timezone.utc, None)
    """
    if not isinstance(text, str) or not _OFFSET.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(f"2000-01-01T00:00:00{text}").tzinfo
    except ValueError:
        return None
