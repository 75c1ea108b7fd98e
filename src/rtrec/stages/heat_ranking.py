"""The ranking that needs no rescoring: log2(S) + L / half-life does not change as time passes."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rtrec.features import anchor_codec
from rtrec.features.anchor_table import ANCHOR, GIFTS, REVERSIBLE, Anchors
from rtrec.features.anchor_values import LEAST_HEAT
from rtrec.features.decay import HALF_LIVES_MS, LANDMARK_HALF_LIVES
from rtrec.features.heat_rules import HeatRules
from rtrec.stages.effects import Effects

NO_HEAT: Final = 0.0
"""Ranking score of an anchor without heat; every real one is above 10^4 (L / half-life of a time after 1973)."""


def rank_scores(anchors: Anchors, slots: NDArray[np.int64], rules: HeatRules) -> NDArray[np.float64]:
    """log2(S) + L / half-life of some rows; `NO_HEAT` where heat at its newest event is at most 1e-9."""
    half_life = int(HALF_LIVES_MS[rules["half_life"][0]])
    values = anchors["heat"][slots]
    values[:, GIFTS : GIFTS + REVERSIBLE] += anchors["heat_low"][slots]
    total = (values * rules["weights"][0]).sum(axis=1)
    landmarks, since = np.divmod(anchors["last_ms"][slots], LANDMARK_HALF_LIVES * half_life)
    hot = total > LEAST_HEAT * np.exp2(since / half_life)
    return np.where(hot, np.log2(np.where(hot, total, 1.0)) + landmarks * LANDMARK_HALF_LIVES, NO_HEAT)


def rerank(records: Sequence[tuple[str, bytes]], rules: HeatRules) -> Effects:
    """Ranking scores of stored anchors (`a/{id}` → record) under these weights."""
    effects, slots = Effects(), np.arange(len(records))
    rows: Anchors = np.zeros(len(records), ANCHOR)
    anchor_codec.decode_into(rows, range(len(records)), [value for _, value in records], int(rules["half_life"][0]))
    scores = rank_scores(rows, slots, rules).tolist()
    effects.writes.ranks.update(zip((key[2:] for key, _ in records), scores, strict=True))
    return effects
