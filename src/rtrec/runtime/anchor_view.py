"""What a scoring process knows of anchors: a copy of their records, followed commit by commit.

Rules
-----
- Filled from committed records alone, so nothing uncommitted is ever served.
- `lock` is held while records change and while a request gathers what it needs; both take well under a
  millisecond.
- An anchor idle beyond `events.late_ms` is dropped (`drop_idle`, at the start and every minute) and reads as
  unknown to scoring; its next event brings it back.
"""

import threading
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from rtrec.events.ids import partition_of
from rtrec.features import anchor_codec, anchor_meta
from rtrec.features.anchor_meta import EMPTY, AnchorMeta
from rtrec.features.anchor_table import Anchors, AnchorTable
from rtrec.features.anchor_values import N_ANCHOR_VALUES, many_anchor_values, many_heats
from rtrec.features.heat_rules import HeatRules


class AnchorView:
    """Anchors by name: numbers, words, and vectorized answers about them.

    newest: newest event time by partition of anchors, ms, [partitions].
    """

    def __init__(self, rules: HeatRules, partitions: int = 1) -> None:
        self.lock = threading.Lock()
        self.rules = rules
        self.table = AnchorTable()
        self.meta: dict[str, AnchorMeta] = {}
        self.newest = np.zeros(partitions, np.int64)

    def apply(
        self, puts: Mapping[str, bytes | None] | Iterable[tuple[str, bytes | None]], newest_ms: int, partition: int = 0
    ) -> None:
        """Take a partition's committed records (`a/…`, `m/…`; other keys are passed over) and its newest time."""
        names, records, metas = [], [], []
        for key, value in puts.items() if isinstance(puts, Mapping) else puts:
            if value is None:
                continue
            if key.startswith("a/"):
                names.append(key[2:])
                records.append(value)
            elif key.startswith("m/"):
                metas.append((key[2:], anchor_meta.decode(value)))
        with self.lock:
            slots = [self.table.slot(name) for name in names]
            anchor_codec.decode_into(self.table.rows, slots, records, int(self.rules["half_life"][0]))
            self.meta.update(metas)
            self.newest[partition] = max(int(self.newest[partition]), newest_ms)

    def drop_idle(self) -> None:
        """Forget the numbers of anchors that are idle beyond `events.late_ms`; their words stay, they are small."""
        with self.lock:
            kept = self.rows()["last_ms"] >= self._expired_before_ms(np.arange(len(self.table)))
            if not kept.all():
                self.table.keep([self.table.names[place] for place in np.flatnonzero(kept).tolist()])

    def rows(self) -> Anchors:
        """Every anchor's row, in the order of `table.names`. Hold `lock`."""
        return self.table.rows[: len(self.table)]

    def places(self, anchors: Sequence[str]) -> NDArray[np.int64]:
        """Rows of anchors, -1 for one never seen. Hold `lock`."""
        slots = self.table.slots
        return np.array([slots.get(anchor, -1) for anchor in anchors], np.int64)

    def heats(self, places: NDArray[np.int64], now_ms: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """(heat, live by lifecycle) of rows at a time. Hold `lock`."""
        heats, live = np.empty(len(places)), np.empty(len(places), np.bool_)
        many_heats(self.table.rows, places, self.rules, now_ms, heats, live)
        return heats, live

    def values(self, places: NDArray[np.int64], now_ms: int) -> NDArray[np.float32]:
        """Anchor values of rows, float32 [n, N_ANCHOR_VALUES]. Hold `lock`."""
        out = np.empty((len(places), N_ANCHOR_VALUES), np.float32)
        many_anchor_values(self.table.rows, places, self.rules, now_ms, self._expired_before_ms(places), out)
        return out

    def categories(self) -> set[str]:
        """Every category that an anchor has."""
        with self.lock:
            metas = list(self.meta.values())
        return {one.category for one in metas if one.category is not None}

    def newest_ms(self, anchor: str) -> int:
        """The newest event time of an anchor's partition."""
        return int(self.newest[partition_of(anchor, len(self.newest))])

    def _expired_before_ms(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """The time before which a row is expired, by its own partition's newest event."""
        partitions = (self.table.rows["anchor"][places] % np.uint64(len(self.newest))).astype(np.int64)
        before: NDArray[np.int64] = self.newest[partitions] - self.rules["late_ms"][0]
        return before

    def words(self, anchor: str) -> AnchorMeta:
        """An anchor's words, empty ones if it has none."""
        return self.meta.get(anchor, EMPTY)
