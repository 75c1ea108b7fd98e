"""The features of an impression that nobody scored, made on its way: HEAT's part and PROFILE's, one row."""

import numpy as np

from rtrec.events.user_events import UserEvent
from rtrec.features.user import UserRecord
from rtrec.features.user_values import pair_values, user_values
from rtrec.features.vector import attribute_tokens, make_rows
from rtrec.settings import Features


def shadow_row(policy: Features, record: UserRecord | None, event: UserEvent) -> bytes:
    """The packed row of an impression. record: the user's as of just before it, or None."""
    at = event.ts_ms
    anchor = np.frombuffer(event.anchor_values or b"", np.float32)
    pair = pair_values(record, [event.anchor_id], [event.category], at)[0]
    dense = np.concatenate([anchor, user_values(record, at), pair]).reshape(1, -1)
    tokens: list[int] = []
    if policy.attributes:
        user = record.attributes if record is not None else {}
        tokens = attribute_tokens(
            policy.attributes, {"user": user, "anchor": event.anchor_attributes or {}}, event.category
        )
    rows = make_rows(
        policy, at, event.user_id, [event.anchor_id], [event.category], event.event.surface, dense, [tokens]
    )
    return rows.tobytes()
