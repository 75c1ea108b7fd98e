"""How fast is FTRL learned, here and elsewhere, and how fast does a scorer predict? A table, and one JSON line.

Peers, on the same data: 30 features a row, of which 8 are in every row and the others follow a Zipf law over 20,000
tokens each. Ours is the hashed core in micro-batches of 1,000, and FTRLClassifier on CSR matrices of 1,000 rows and on
dictionaries; beside them River's own FTRL on dictionaries, Vowpal Wabbit reading a text file (it parses in a thread of
its own) and its Python call on dictionaries. Each passes over the data five times, in turns; the best counts.
What takes dictionaries gets the first 20,000 rows of each pass, with a model that knows them from the last.

Then the learner's own: 45 features a row (12 in every one), 3 heads, 2^22 slots, two passes (the first pages memory
in), publishing, an image, a scorer. Run: python benchmarks/ftrl.py [EXAMPLES]
"""

import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter, process_time
from typing import Any, NamedTuple

import numpy as np
import vowpalwabbit
from river import linear_model, optim
from scipy import sparse

from rtrec.learning import FTRLClassifier
from rtrec.learning.ftrl import FtrlPolicy
from rtrec.learning.model import OnlineModel
from rtrec.learning.weights import ScorerWeights, WeightsUpdate

FEATURES, DENSE, HEADS, BATCH, SLOTS_LOG2 = 45, 12, 3, 1_000, 22
PEER_FEATURES, PEER_DENSE = 30, 8
TOKENS = 20_000
SCORED_ROWS = 200
PASSES = 5
DICTIONARIES = 20_000
CONSTANTS = {"alpha": 0.1, "beta": 1.0, "l1": 1.0, "l2": 1.0}
VOWPAL = (
    "--ftrl --ftrl_alpha 0.1 --ftrl_beta 1 --l1 1 --l2 1 --loss_function logistic --link logistic "
    f"-b {SLOTS_LOG2} --quiet"
)


class Data(NamedTuple):
    """Rows of one width: values [N, K]; slots [N, K]; tokens [N, K], each feature's own; labels [N]."""

    slots: np.ndarray
    value: np.ndarray
    tokens: np.ndarray
    y: np.ndarray


def main(rows: int) -> None:
    """Measure and print."""
    started = perf_counter()
    _touch_kernels()
    compile_s = perf_counter() - started
    peers = _peers(_data(rows, PEER_FEATURES, PEER_DENSE))
    _print_table(peers)
    print(json.dumps({"first_calls_s": round(compile_s, 2), "peers": peers} | _served(rows)))


def _touch_kernels() -> None:
    """Call everything once: what a fresh process pays, compiling only where numba's cache is cold."""
    model = OnlineModel(1, 4, FtrlPolicy())
    model.learn([[1]], [[1.0]], [0], [1], [1])
    slots = model.take_touched()
    scorer = ScorerWeights(1, 4)
    scorer.apply(WeightsUpdate(1, 1, slots, model.weights_of(slots), model.bias()))
    scorer.logits([[1]], [[1.0]])
    named = FTRLClassifier()
    named.learn_one({1: 1.0}, 1)
    named.predict_proba_one({1: 1.0})
    named.learn_many(sparse.csr_matrix([[0.0, 1.0]]), [1])


def _data(rows: int, features: int, dense: int) -> Data:
    rng = np.random.default_rng(7)
    own = features - dense
    tokens = np.hstack((np.zeros((rows, dense), np.int64), np.minimum(rng.zipf(1.2, (rows, own)), TOKENS)))
    named = tokens + 1_000_003 * np.arange(features)
    slots = (named.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(64 - SLOTS_LOG2)
    slots[:, :dense] = np.arange(dense)
    value = np.hstack((rng.random((rows, dense)).round(4), np.ones((rows, own))))
    y = rng.random(rows) < 0.05 + 0.4 * value[:, 0] * (tokens[:, -1] == 1)
    return Data(slots.astype(np.int32), value, tokens, y)


def _peers(data: Data) -> dict[str, Any]:
    """Examples a second of each, and ratios: by the clock and by the processor time of all threads."""
    rows, few = len(data.y), min(DICTIONARIES, len(data.y))
    examples = list(zip(_dictionaries(data, few), data.y[:few].tolist(), strict=True))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "examples.vw")
        file.write_text("".join(_lines(data)), encoding="utf-8")
        runs: dict[str, tuple[int, Callable[[], object]]] = {
            "core, micro-batches": (rows, _core(data)),
            "FTRLClassifier.learn_many, CSR": (rows, _many(data)),
            "Vowpal Wabbit, a file": (rows, lambda: vowpalwabbit.Workspace(f"{VOWPAL} -d {file}").finish()),
            "FTRLClassifier.learn_one": (few, _each(FTRLClassifier(**CONSTANTS).learn_one, examples)),
            "River, learn_one": (few, _each(_river().learn_one, examples)),
            "Vowpal Wabbit, Python": (few, _each(_vowpal_call(), examples)),
        }
        seconds = {name: [1e9, 1e9] for name in runs}
        for _ in range(PASSES):
            for name, (_, run) in runs.items():
                started, used = perf_counter(), process_time()
                run()
                took = perf_counter() - started, process_time() - used
                seconds[name] = [min(pair) for pair in zip(seconds[name], took, strict=True)]
    clock, cpu = ({name: runs[name][0] / seconds[name][of] for name in runs} for of in (0, 1))
    return {
        "features": PEER_FEATURES, "examples": rows, "dictionaries": few,
        "examples_per_s": {name: round(one) for name, one in clock.items()}, "ratios": _ratios(clock),
        "examples_per_cpu_s": {name: round(one) for name, one in cpu.items()}, "cpu_ratios": _ratios(cpu),
    }  # fmt: skip


def _ratios(rate: dict[str, float]) -> dict[str, float]:
    river, file, one = rate["River, learn_one"], rate["Vowpal Wabbit, a file"], rate["FTRLClassifier.learn_one"]
    core, many = rate["core, micro-batches"], rate["FTRLClassifier.learn_many, CSR"]
    return {name: round(ratio, 2) for name, ratio in {
        "core / River": core / river, "learn_many / River": many / river, "learn_one / River": one / river,
        "core / VW file": core / file, "learn_many / VW file": many / file,
        "learn_one / VW Python": one / rate["Vowpal Wabbit, Python"],
    }.items()}  # fmt: skip


def _core(data: Data) -> Callable[[], None]:
    model = OnlineModel(1, SLOTS_LOG2, FtrlPolicy(**CONSTANTS))
    head, weight = np.zeros(len(data.y), np.uint8), np.ones(len(data.y))

    def run() -> None:
        for part in _parts(len(data.y)):
            model.learn(data.slots[part], data.value[part], head[part], data.y[part], weight[part])

    return run


def _many(data: Data) -> Callable[[], None]:
    model = FTRLClassifier(**CONSTANTS)
    starts = np.arange(len(data.y) + 1) * PEER_FEATURES
    table = sparse.csr_matrix((data.value.ravel(), data.slots.ravel(), starts), shape=(len(data.y), 1 << SLOTS_LOG2))
    batches = [(table[part], data.y[part]) for part in _parts(len(data.y))]

    def run() -> None:
        for batch, y in batches:
            model.learn_many(batch, y)

    return run


def _each(learn: Callable[[dict[str, float], bool], object], examples: list[Any]) -> Callable[[], None]:
    def run() -> None:
        for x, y in examples:
            learn(x, y)

    return run


def _river() -> Any:
    return linear_model.LogisticRegression(optim.FTRLProximal(**CONSTANTS))


def _vowpal_call() -> Callable[[dict[str, float], bool], object]:
    """Its quickest way in from a dictionary: a line of text."""
    vowpal = vowpalwabbit.Workspace(VOWPAL)
    return lambda x, y: vowpal.learn(f"{1 if y else -1} | " + " ".join([f"{name}:{x[name]}" for name in x]))


def _parts(rows: int) -> Iterator[slice]:
    return (slice(at, at + BATCH) for at in range(0, rows, BATCH))


def _names(data: Data, row: int) -> list[str]:
    """What the row's features are called: a dense one by its number, another with its token."""
    tokens = data.tokens[row].tolist()
    return [f"f{k}={token}" if token else f"f{k}" for k, token in enumerate(tokens)]


def _dictionaries(data: Data, rows: int) -> list[dict[str, float]]:
    """Rows as a request brings them: one text object per name, as an application's table of features has."""
    return [
        {sys.intern(name): value for name, value in zip(_names(data, row), data.value[row].tolist(), strict=True)}
        for row in range(rows)
    ]


def _lines(data: Data) -> Iterator[str]:
    """Vowpal Wabbit's text; a value of 1 goes without saying."""
    for row, y in enumerate(data.y.tolist()):
        values = data.value[row].tolist()
        entries = (n if v == 1.0 else f"{n}:{v:g}" for n, v in zip(_names(data, row), values, strict=True))
        yield f"{1 if y else -1} | {' '.join(entries)}\n"


def _print_table(peers: dict[str, Any]) -> None:
    print(f"{'':32} {'by the clock':>14} {'by processor':>14}")
    for name, rate in peers["examples_per_s"].items():
        print(f"{name:32} {rate:>12,}/s {peers['examples_per_cpu_s'][name]:>12,}/s")
    for name, ratio in peers["ratios"].items():
        print(f"{name:32} {ratio:>13.1f}× {peers['cpu_ratios'][name]:>13.1f}×")


def _served(rows: int) -> dict[str, Any]:
    """The learner and the scorer as they run: heads, publishing, an image."""
    data = _data(-(-rows // HEADS), FEATURES, DENSE)
    each = np.repeat(np.arange(len(data.y)), HEADS)[:rows]
    head = np.tile(np.arange(HEADS, dtype=np.uint8), len(data.y))[:rows]
    index, value, y, weight = data.slots[each], data.value[each], data.y[each], np.ones(rows)
    model = OnlineModel(HEADS, SLOTS_LOG2, FtrlPolicy())
    learn_s = []
    for _ in range(2):
        started = perf_counter()
        for part in _parts(rows):
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
    return {
        "features": FEATURES, "heads": HEADS, "batch": BATCH, "slots_log2": SLOTS_LOG2, "examples": rows,
        "examples_per_s": [round(rows / one) for one in learn_s], "predict_rows_per_s": round(rows / predict_s),
        "live_slots": model.live_slots(),
        "publish_all_ms": round(1e3 * publish_s, 1), "encode_all_ms": round(1e3 * encode_s, 1),
        "image_bytes": len(image),
    }  # fmt: skip


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 300_000)
