"""How many events a second go from Kafka to committed Redis state through one INGEST and one HEAT? One JSON line.

Both do all of their work (checks, re-keying, thirteen metrics, six windows, decay, caps, duplicates, fenced commit;
HEAT publishes `user_events`, too) on the platform of `benchmarks/heat.py`: 2,000 skewed anchors. Workers are warmed
first; the clock runs from the moment they are shown the events until HEAT's stored offsets cover them all. Beside both
together: INGEST alone, HEAT alone on the messages that INGEST made, and HEAT with two workers. `cpu_us_per_event` is
by process; `cores.others` is what everybody else on the machine used meanwhile: with more than a little of it the rate
says nothing, the processor time still does. `--profile` adds where the stages' time goes (py-spy, by RTREC_PYSPY or on
the PATH). Run: python benchmarks/cluster.py [EVENTS] [--what ingest,heat,scale,both] [--profile]
"""

import argparse
import json
from collections.abc import Sequence
from typing import Any

from benchmarks.clustered import journey, profile
from benchmarks.clustered.bed import bed
from benchmarks.clustered.journey import Watch
from benchmarks.clustered.load import keyed
from benchmarks.heat import lines

PARTS = ("ingest", "heat", "scale", "both")


def main(events: int, what: Sequence[str], watch: Watch) -> dict[str, Any]:
    """Measure what is asked for. HEAT alone needs what INGEST alone has made."""
    warm = max(1_000, events // 10)
    sent = keyed(lines(warm + events))
    figures: dict[str, Any] = {"events": events}
    with bed() as place:
        if {"ingest", "heat", "scale"} & set(what):
            figures["ingest"], made = journey.ingest_alone(place, sent[:warm], sent[warm:], watch)
            ends = figures["ingest"].pop("warm_ends")
            for name, workers in (("heat", 1), ("scale", 2)):
                if name in what:
                    figures[name] = journey.heat_alone(place, made, ends, events, watch, workers)
        if "both" in what:
            figures["both"], _ = journey.both(place, "both", sent[:warm], sent[warm:], watch)
    if "heat" in figures and "scale" in figures:
        ratio = figures["scale"]["events_per_s"] / figures["heat"]["events_per_s"]
        figures["two_heat_workers_over_one"] = round(ratio, 2)
    return figures


def nobody(_: object) -> Any:
    """Watch nothing."""
    return lambda: None


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("events", type=int, default=1_000_000, nargs="?")
    parser.add_argument("--what", default=",".join(PARTS))
    parser.add_argument("--profile", action="store_true")
    given = parser.parse_args()
    print(json.dumps(main(given.events, given.what.split(","), profile.watch if given.profile else nobody)))
