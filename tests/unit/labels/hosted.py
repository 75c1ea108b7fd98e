"""Any policy, any stream, and a host that may stop anywhere: what properties of LABEL are drawn from."""

from collections import Counter
from typing import Any

from hypothesis import strategies as st

from rtrec.labels.exposure import Example
from rtrec.settings import HEADS, Labels
from rtrec.stages.control import ERASED_AHEAD_MS
from rtrec.stages.label import LabelState, erase, label, scored, tick
from tests.unit.labels.label_streams import Step, random_steps

NAMES = ("exit_first", "seed", "fixed_window", "fast_slow")
"""The policies' names."""
numbers = st.builds(
    Labels,
    heads=st.lists(st.sampled_from(HEADS), min_size=1, unique=True).map(tuple),
    click_wait_ms=st.sampled_from([3_000, 30_000, 90_000]),
    long_view_ms=st.just(3_000),
    short_view_ms=st.just(1_000),
    window_ms=st.sampled_from([2_000, 30_000, 300_000]),
    fast_ms=st.sampled_from([0, 3_000, 300_000]),
    negative_share=st.sampled_from([1.0, 1.0, 0.5]),
    lapse_ms=st.sampled_from([2_000, 20_000]),
    horizon_ms=st.sampled_from([20_000, 200_000]),
    auto_surfaces=st.just(("push",)),
    pending_per_user=st.sampled_from([1, 4, 40]),
    pending_total=st.sampled_from([1, 6, 60]),
)
"""Labels of every size, to be given a policy's name."""
streams = st.integers(0, 2**32).map(random_steps)


class Host:
    """A stage host that keeps what effects write, and may start anew from it between turns."""

    def __init__(self, policy: Labels) -> None:
        self.policy = policy
        self.items: dict[str, bytes] = {}
        self.state = LabelState(policy)
        self.examples: list[Example] = []
        self.counts: Counter[str] = Counter()

    def turn(self, what: str, inputs: list[Any]) -> None:
        if what == "event":
            self._keep(label(self.state, inputs))
        elif what == "scored":
            self._keep(scored(self.state, inputs))
        for user_id, at_ms in inputs if what in ("tick", "erase") else ():
            erased_ms = at_ms - ERASED_AHEAD_MS
            self._keep(tick(self.state, at_ms) if what == "tick" else erase(self.state, user_id, erased_ms))

    def _keep(self, done: tuple[Any, list[Example]]) -> None:
        effects, examples = done
        for key, value in effects.writes.puts.items():
            if value is None:
                del self.items[key]
            else:
                self.items[key] = value
        self.examples += examples
        self.counts.update(effects.counts)

    def restart(self) -> None:
        self.state = LabelState(self.policy)
        self.state.load(reversed(self.items.items()))


def run(policy: Labels, stream: list[Step], cuts: set[int] | None) -> Host:
    """Feed a stream: at each cut a turn ends and the host restarts; with None each input is a turn of its own."""
    host = Host(policy)
    batch: list[Any] = []
    for place, (what, value) in enumerate(stream):
        batch.append(value)
        last = place + 1 == len(stream) or stream[place + 1][0] != what
        if last or cuts is None or place in cuts:
            host.turn(what, batch)
            batch = []
        if cuts and place in cuts:
            host.restart()
    return host
