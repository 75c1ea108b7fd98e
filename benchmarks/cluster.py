"""How many events a second go from Kafka to committed Redis state through one INGEST and one HEAT? One JSON line.

Both do all of their work (checks, re-keying, thirteen metrics, six windows, decay, caps, duplicates, fenced commit;
HEAT publishes `user_events`, too) on the platform of `benchmarks/heat.py`: 2,000 skewed anchors. Workers are warmed
first; the clock runs from the moment they are shown the events until HEAT's stored offsets cover them all. Beside both
together (`--passes` times, each from nothing): INGEST alone, HEAT alone on the messages that INGEST made, HEAT with two
workers, what an anchor and a user take in Redis afterwards, and peers that add up the same topic.

`cpu_us_per_event` is by process; `cores.others` is what everybody else on the machine used meanwhile: with more than a
little of it the rate says nothing, the processor time still does. `--profile` adds where the stages' time goes (py-spy,
by RTREC_PYSPY or on the PATH). Peers: faust and bytewax, if not said otherwise; quix and pathway, too. Run:
PYTHONPATH=. python benchmarks/cluster.py [EVENTS] [--what both,memory,…] [--passes 3] [--peers faust,…] [--profile]
"""

import argparse
import json
from collections.abc import Sequence
from typing import Any

from benchmarks.clustered import journey, memory, peers, profile
from benchmarks.clustered.bed import Bed, Scenario, bed
from benchmarks.clustered.journey import Watch
from benchmarks.clustered.load import Sent, keyed
from benchmarks.heat import lines

PARTS = ("ingest", "heat", "scale", "both", "memory", "peers")
BESIDE = ("faust", "bytewax")


def main(
    events: int,
    what: Sequence[str] = PARTS,
    beside: Sequence[str] = BESIDE,
    passes: int = 1,
    watch: Watch | None = None,
) -> dict[str, Any]:
    """Measure what is asked for, on one set of servers."""
    warm = max(1_000, events // 10)
    sent = keyed(lines(warm + events))
    figures: dict[str, Any] = {"events": events}
    with bed() as place:
        if {"ingest", "heat", "scale"} & set(what):
            figures |= _alone(place, sent[:warm], sent[warm:], what, watch or nobody)
        if {"both", "memory", "peers"} & set(what):
            figures["both"], last = _both(place, sent[:warm], sent[warm:], passes, watch or nobody)
            if "memory" in what:
                figures["memory"] = memory.anchors(last)
                journey.drained(last, "profile", "user_events")
                figures["memory"] |= memory.users(last)
            if "peers" in what:
                figures["peers"] = {name: peers.measured(last, name, len(sent)) for name in beside}
                figures["ratios"] = _ratios(figures["both"], figures["peers"])
    return figures


def _alone(
    place: Bed, warm: Sequence[Sent], events: Sequence[Sent], what: Sequence[str], watch: Watch
) -> dict[str, Any]:
    """INGEST alone, and HEAT on what it made, with one worker and with two."""
    found: dict[str, Any] = {}
    found["ingest"], made = journey.ingest_alone(place, warm, events, watch)
    ends = found["ingest"].pop("warm_ends")
    for name, workers in (("heat", 1), ("scale", 2)):
        if name in what:
            found[name] = journey.heat_alone(place, made, ends, len(events), watch, workers)
    if "heat" in found and "scale" in found:
        ratio = found["scale"]["events_per_s"] / found["heat"]["events_per_s"]
        found["two_heat_workers_over_one"] = round(ratio, 2)
    return found


def _both(
    place: Bed, warm: Sequence[Sent], events: Sequence[Sent], passes: int, watch: Watch
) -> tuple[list[dict[str, Any]], Scenario]:
    """Every pass's figures, and the last one's scenario."""
    runs = [journey.both(place, f"both{number}", warm, events, watch) for number in range(passes)]
    return [figures for figures, _ in runs], runs[-1][1]


def _ratios(both: Sequence[dict[str, Any]], others: dict[str, dict[str, Any]]) -> dict[str, float]:
    """Our best pass over each peer that ran."""
    ours = max(one["events_per_s"] for one in both)
    return {
        f"over_{name}": round(ours / one["events_per_s"], 2) for name, one in others.items() if "events_per_s" in one
    }


def nobody(_: object) -> Any:
    """Watch nothing."""
    return lambda: None


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("events", type=int, default=1_000_000, nargs="?")
    parser.add_argument("--what", default=",".join(PARTS))
    parser.add_argument("--peers", default=",".join(BESIDE))
    parser.add_argument("--passes", type=int, default=1)
    parser.add_argument("--profile", action="store_true")
    given = parser.parse_args()
    watching = profile.watch if given.profile else nobody
    print(json.dumps(main(given.events, given.what.split(","), given.peers.split(","), given.passes, watching)))
