"""What a policy makes of a short stream, in a line that a table of cases can hold."""

from rtrec.settings import HEADS, Labels
from rtrec.stages.label import LabelState, label, tick
from tests.unit.labels.label_streams import T0, Input


def verdicts(policy: Labels, inputs: list[Input], until_ms: int = 0) -> str:
    """`+`, `-` and `~` (a fake negative) per told head in the order of the examples, after an optional tick."""
    state = LabelState(policy)
    _, examples = label(state, inputs)
    if until_ms:
        examples += tick(state, T0 + until_ms)[1]
    return " ".join(HEADS[one.head] + ("~" if one.fake else "-+"[one.label]) for one in examples)


def counted(policy: Labels, inputs: list[Input], until_ms: int) -> dict[str, int]:
    """What is counted of configured heads and of inputs by then."""
    state = LabelState(policy)
    label(state, inputs)
    tick(state, T0 + until_ms)
    others = tuple(f"{head}/" for head in HEADS if head not in policy.heads)
    return {name: n for name, n in state.counts.items() if not name.startswith(others)}
