"""How fast does the learner learn, and a scorer predict? One JSON line.

45 features a row, of which 12 are in every row (dense ones) and the others follow a Zipf law over 20,000
tokens each, hashed; each row is an example of 3 heads; batches of 1,000; 2^22 slots. Two passes: the first
pages memory in. Run: python benchmarks/ftrl.py [EXAMPLES]
"""

import json
import sys
from time import perf_counter

import numpy as np

from rtrec.learning.ftrl import FtrlPolicy
from rtrec.learning.model import OnlineModel
from rtrec.learning.weights import ScorerWeights, WeightsUpdate

FEATURES, DENSE, HEADS, BATCH, SLOTS_LOG2 = 45, 12, 3, 1_000, 22
TOKENS = 20_000
SCORED_ROWS = 200


def main(rows: int) -> None:
    """Measure and print."""
    started = perf_counter()
    _touch_kernels()
    compile_s = perf_counter() - started
    model = OnlineModel(HEADS, SLOTS_LOG2, FtrlPolicy())
    index, value, head, y, weight = _examples(rows)
    learn_s = []
    for _ in range(2):
        started = perf_counter()
        for at in range(0, rows, BATCH):
            part = slice(at, at + BATCH)
            model.learn(index[part], value[part], head[part], y[part], weight[part])
        learn_s.append(perf_counter() - started)
    scorer = ScorerWeights(HEADS, SLOTS_LOG2)
    started = perf_counter()
    touched = model.take_touched()
    scorer.apply(WeightsUpdate(1, rows, touched, model.weights_of(touched), model.bias()))
    publish_s = perf_counter() - started
    started = perf_counter()
    image = model.encode_slots(model.take_dirty())
    encode_s = perf_counter() - started
    started = perf_counter()
    for at in range(0, rows, SCORED_ROWS):
        scorer.logits(index[at : at + SCORED_ROWS], value[at : at + SCORED_ROWS])
    predict_s = perf_counter() - started
    print(json.dumps({
        "features": FEATURES, "heads": HEADS, "batch": BATCH, "slots_log2": SLOTS_LOG2, "examples": rows,
        "examples_per_s": [round(rows / one) for one in learn_s], "predict_rows_per_s": round(rows / predict_s),
        "first_calls_s": round(compile_s, 2), "live_slots": model.live_slots(),
        "publish_all_ms": round(1e3 * publish_s, 1), "encode_all_ms": round(1e3 * encode_s, 1),
        "image_bytes": len(image),
    }))  # fmt: skip


def _touch_kernels() -> None:
    """Call everything once: what a fresh process pays, compiling only where numba's cache is cold."""
    model = OnlineModel(1, 4, FtrlPolicy())
    model.learn([[1]], [[1.0]], [0], [1], [1])
    slots = model.take_touched()
    scorer = ScorerWeights(1, 4)
    scorer.apply(WeightsUpdate(1, 1, slots, model.weights_of(slots), model.bias()))
    scorer.logits([[1]], [[1.0]])


def _examples(rows: int) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(7)
    impressions = -(-rows // HEADS)
    sparse_features = FEATURES - DENSE
    tokens = np.minimum(rng.zipf(1.2, (impressions, sparse_features)), TOKENS) + 1_000_003 * np.arange(sparse_features)
    sparse = (tokens.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(64 - SLOTS_LOG2)
    index = np.hstack((np.tile(np.arange(DENSE), (impressions, 1)), sparse.astype(np.int64))).astype(np.int32)
    value = np.hstack((rng.random((impressions, DENSE)), np.ones((impressions, sparse_features))))
    each = np.repeat(np.arange(impressions), HEADS)[:rows]
    head = np.tile(np.arange(HEADS, dtype=np.uint8), impressions)[:rows]
    return index[each], value[each], head, rng.random(rows) < 0.1, np.ones(rows)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 300_000)
