"""Messages of `examples` as LABEL's outboxes send them."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from msgspec import msgpack

from rtrec.features.vector import N_DENSE, make_rows
from rtrec.labels.exposure import Example
from rtrec.settings import HEADS, Features
from rtrec.stages.hops.label import Number
from rtrec.stages.learn import encode_examples
from rtrec.stages.messages import Record

DAY_MS: Final = 86_400_000
BEGAN_MS: Final = 1_712_361_600_000
"""A midnight (UTC): 2024-04-06."""


def example(seed: int, ts_ms: int = BEGAN_MS) -> Example:
    """An example of one of few users and anchors, so that slots are met again."""
    random = np.random.default_rng(seed)
    user, anchor = f"u{random.integers(5)}", f"a{random.integers(9)}"
    dense = random.uniform(0, 3, (1, N_DENSE)).astype(np.float32)
    row = make_rows(Features(), ts_ms, user, [anchor], ["dance"], "feed", dense, [[]]).tobytes()
    head = HEADS.index(("click", "long_view", "gift")[seed % 3])
    return Example(head, int(random.integers(2)), 1.0, row, ts_ms, user, anchor, seed % 7 or None, "feed")


def message(offset: int, owner: int, number: int, examples: Sequence[Example]) -> Record:
    """A message of the topic. number: the owner's own count."""
    return Record(offset, 0, None, encode_examples(examples), msgpack.encode(Number(owner, number)))


def messages(first: int, end: int, owner: int = 0) -> list[Record]:
    """One owner's messages, three examples each, two to a day."""
    return [
        message(n, owner, n, [example(3 * n + k, BEGAN_MS + n // 2 * DAY_MS) for k in range(3)])
        for n in range(first, end)
    ]
