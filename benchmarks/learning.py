"""Is the learner honest? Five simulations, one JSON line each.

`honest`: prediction over observed rate by decile and slice. `position`: served scores against the true preference, with
and without the bias features. `cold`: impressions a new anchor needs, with and without declared attributes. `drift`:
publishing every second against every minute. `delay`: late positives under `fast_slow`.
Run: PYTHONPATH=. python benchmarks/learning.py [NAME …] [--events N]
"""

import argparse
import json
from time import perf_counter

from benchmarks.learned.bias import position_bias
from benchmarks.learned.cold import cold_start
from benchmarks.learned.delay import delayed
from benchmarks.learned.drift import drift
from benchmarks.learned.honest import honest

SIMULATIONS = {
    "honest": (honest, 420_000),
    "position": (position_bias, 200_000),
    "cold": (cold_start, 300_000),
    "drift": (drift, 200_000),
    "delay": (delayed, 200_000),
}


def main(names: list[str], events: int | None) -> None:
    """Run and print."""
    for name in names:
        simulation, size = SIMULATIONS[name]
        started = perf_counter()
        figures = simulation(events or size)
        print(json.dumps({"simulation": name, "seconds": round(perf_counter() - started, 1), **figures}), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", choices=[[], *SIMULATIONS], default=[])
    parser.add_argument("--events", type=int)
    given = parser.parse_args()
    main(given.names or list(SIMULATIONS), given.events)
