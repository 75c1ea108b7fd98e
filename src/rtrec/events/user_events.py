"""What HEAT passes on to PROFILE and LABEL: an accepted event of a user, with what only HEAT knew.

Rules
-----
- Only accepted events come here: no duplicate, none too late, none refused.
- A reversal arrives with the *original's* user, time, value and count (the ledger's), `reversal` true.
- `anchor_values` and `anchor_attributes` are set on impressions alone: the anchor as of just before the
  impression, so that an impression nobody scored can be featurized on its way, and no stage reads another's
  records.
"""

import msgspec

from rtrec.events.schema import Attribute, Event


class UserEvent(msgspec.Struct, gc=False):
    """One accepted event of one user.

    type: the event type's code (`schema.TYPES`).
    category: the anchor's category when HEAT met the event; None if it has none.
    value, count: of a gift (a reversal: the original's).
    anchor_values: float32 bytes in the order of `features.table.ANCHOR_VALUES`.
    """

    type: int
    ts_ms: int
    user_id: str
    anchor_id: str
    category: str | None
    event: Event
    value: int = 0
    count: int = 0
    reversal: bool = False
    anchor_values: bytes | None = None
    anchor_attributes: dict[str, Attribute] | None = None
