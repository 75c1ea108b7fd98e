"""ARCHIVE: messages of `examples` as columns that any reader of tables understands, a name each.

Columns: head · label · weight · position (null = −1: unknown) · ts_ms of the impression · what a logged row holds
(`features.vector.ROW`), its dense numbers under the names of `features.table.DENSE`.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from rtrec.features.table import DENSE
from rtrec.features.vector import ROW
from rtrec.settings import HEADS
from rtrec.stages.learn import ExampleChunk


def columns_of(messages: Sequence[bytes]) -> dict[str, NDArray[Any]]:
    """Every example of some messages, in order, by column name."""
    chunks = [msgspec.msgpack.decode(message, type=ExampleChunk) for message in messages]

    def joined(field: str, dtype: Any) -> NDArray[Any]:
        return np.frombuffer(b"".join(getattr(chunk, field) for chunk in chunks), dtype)

    rows = joined("rows", ROW)
    columns: dict[str, NDArray[Any]] = {
        "head": np.array(HEADS)[joined("heads", np.uint8)], "label": joined("labels", np.uint8),
        "weight": joined("weights", np.float64), "position": joined("positions", np.int64),
        "ts_ms": joined("ts_ms", np.int64), "fake": np.concatenate([chunk.fake() for chunk in chunks]),
    }  # fmt: skip
    columns |= {name: rows[name] for name in ROW.names or () if name != "dense"}
    return columns | {one.name: rows["dense"][:, place] for place, one in enumerate(DENSE)}
