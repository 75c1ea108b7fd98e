"""A message's bytes become names and values: one decoder per format, in a table.

Rules
-----
- A mapping names its decoder; the table decides what the name means, nothing is imported by name.
- A decoder gives a dict of JSON's kinds of values (str, int, float, bool, None, list, dict), or raises `Unfit`.
- JSON that only a lenient reader takes (half a surrogate pair, NaN) is read leniently: it may stand in a part that
  the mapping does not use. Where it is used, the checks of our events refuse it.
"""

import json
import math
from collections.abc import Callable
from typing import Any, Final

import msgspec

from rtrec.events.mapping_faults import Unfit, shown

Decoder = Callable[[bytes], dict[str, Any]]

_fast_json: Final[Callable[[bytes], Any]] = msgspec.json.Decoder().decode


def decode_json(message: bytes) -> dict[str, Any]:
    """One JSON object.

    >>> decode_json(b'{"a": 1}')
    {'a': 1}
    >>> decode_json(b"[]")
    Traceback (most recent call last):
    rtrec.events.mapping_faults.Unfit: expected an object, got a list of 0
    """
    try:
        loaded = _fast_json(message)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        loaded = _lenient_json(message)
    if loaded.__class__ is not dict:
        raise Unfit(f"expected an object, got {shown(loaded)}")
    return loaded  # checked above, by class because it is faster


def _lenient_json(message: bytes) -> Any:
    try:
        return json.loads(message.decode("utf-8"), parse_constant=str, parse_float=_finite)
    except UnicodeDecodeError as error:
        raise Unfit(f"expected UTF-8, got the byte 0x{message[error.start]:02x} at {error.start}") from None
    except json.JSONDecodeError as error:
        raise Unfit(f"expected JSON, got a fault at character {error.pos} ({error.msg})") from None
    except RecursionError:
        raise Unfit("expected JSON, got nesting that is too deep") from None
    except ValueError:
        raise Unfit("expected JSON, got a number with too many digits") from None


def _finite(text: str) -> float | str:
    """A number that no float holds stays text, which no number field takes."""
    value = float(text)
    return value if math.isfinite(value) else text


DECODERS: Final[dict[str, Decoder]] = {"json": decode_json}
"""By the name in a mapping's `decoder`."""
