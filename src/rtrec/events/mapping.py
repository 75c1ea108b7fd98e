"""A source topic's messages become our events, as a table says: JSON in, JSON out, checked later like any other.

Rules
-----
- A message becomes one event, none (its type is ignored) or a refusal; never two.
- The mapping says where values come from; what they may be is the codec's to say, which reads what `apply` gives.
  So a field that is absent is left out here, and refused there if its type needs it.
- A mapping is read once (`mapping_table.read_mapping`), with every fault named, and applied without a look at its
  table. Nothing of it is evaluated, imported or formatted.
- A result is a function of the message and the mapping alone: live, rebuild and `rtrec mapping check` agree.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import msgspec

from rtrec.events.codec import Refusal
from rtrec.events.mapping_decoders import Decoder
from rtrec.events.mapping_faults import Unfit, shown
from rtrec.events.mapping_paths import Get
from rtrec.events.mapping_rules import as_name
from rtrec.events.schema import MAX_EVENT_BYTES, MAX_ID_CHARS

_encode: Final[Callable[[Any], bytes]] = msgspec.json.Encoder().encode


class Plan(NamedTuple):
    """What makes an event of one of our types. flat: (field, name at the message's top); read: the other fields."""

    type: str
    constants: dict[str, Any]
    flat: tuple[tuple[str, str], ...]
    read: tuple[tuple[str, Get], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Mapping:
    """A mapping, ready to use.

    type_of: reads the message's type, at the paths `type_at`; None where every message has the same.
    plans: by the message's type; None is for what is ignored. Where all have the same, its name is empty.
    ignores_others: types that `plans` does not have are ignored too, not refused.
    """

    decode: Decoder
    type_of: Get | None
    type_at: str
    plans: dict[str, Plan | None]
    ignores_others: bool

    def apply(self, message: bytes, length: int | None = None) -> bytes | Refusal | None:
        """One of our events as JSON, for `codec.decode`; a refusal; or None for a message to be ignored.

        length: the message's whole length in bytes where `message` holds only its beginning.
        """
        if (length or len(message)) > MAX_EVENT_BYTES:
            return Refusal(f"message: expected at most {MAX_EVENT_BYTES} bytes, got {length or len(message)}")
        place = "message"
        try:
            loaded = self.decode(message)
            place = "event.type"
            plan = self.plans[""] if self.type_of is None else self._plan_of(self.type_of(loaded))
        except Unfit as fault:
            return Refusal(f"{place}: {fault}")
        if plan is None:
            return None
        event = plan.constants.copy()
        at_top = loaded.get
        for field, key in plan.flat:
            value = at_top(key)
            if value is not None:
                event[field] = value
        try:
            for field, get in plan.read:
                value = get(loaded)
                if value is not None:
                    event[field] = value
        except Unfit as fault:
            return Refusal(f"{plan.type}.{field}: {fault}", _known_id(event))
        return _encoded(event)

    def _plan_of(self, name: Any) -> Plan | None:
        if name.__class__ is not str:
            if name is None:
                raise Unfit(f"missing, nothing at {self.type_at}")
            name = as_name(name)
        found = self.plans.get(name, self)
        if found is not self:
            return found  # type: ignore[return-value]  # a plan or None
        if self.ignores_others and name is not None:
            return None
        raise Unfit(f"expected a name in type.names or type.ignore at {self.type_at}, got {shown(name)}")


def _encoded(event: dict[str, Any]) -> bytes | Refusal:
    try:
        return _encode(event)
    except UnicodeEncodeError:  # half a surrogate pair: the codec says in which field
        return json.dumps(event).encode()
    except RecursionError:
        return Refusal("message: expected JSON, got nesting that is too deep", _known_id(event))


def _known_id(event: dict[str, Any]) -> str | None:
    event_id = event.get("event_id")
    return str(event_id)[:MAX_ID_CHARS] if isinstance(event_id, str | int) else None
