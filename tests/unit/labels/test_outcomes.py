"""Every label's end is counted, once: the counts balance whatever the stream, the policy and the bounds."""

from collections import Counter

import pytest
from hypothesis import given, settings
from msgspec.structs import replace

from rtrec.docs import ROOT
from rtrec.events.schema import CLICK, IMPRESSION
from rtrec.labels.outcomes import EARLY, ENDS, REASONS
from rtrec.labels.pending import FAR_MS
from rtrec.settings import HEADS, Labels
from rtrec.stages.label import LabelState, label, tick
from tests.unit.labels.hosted import NAMES, Host, numbers, run, streams
from tests.unit.labels.label_streams import T0, Step, action, impression

S = 1_000


def pending_heads(host: Host, *, told: bool = False) -> Counter[str]:
    """How many exposures are open, by head; told: of those that were told early alone."""
    exposures = host.state.join.exposures
    mine = [one for user in exposures.users.values() for one in user.open.values()]
    sets = [one.open & one.negative if told else one.open for one in mine]
    return Counter(head for heads in sets for place, head in enumerate(HEADS) if heads >> place & 1)


@pytest.mark.parametrize("name", NAMES)
@given(numbers, streams)
@settings(max_examples=50, deadline=None)
def test_every_impression_ends_once_for_every_head(name: str, of: Labels, stream: list[Step]) -> None:
    """Impressions = the sum over ends + what is open, at any moment; fast_slow's early negatives stand beside."""
    policy = replace(of, policy=name)
    host = run(policy, stream, set())
    impressions = sum(what == "event" and value[0].type == IMPRESSION for what, value in stream)
    opened, told_open = pending_heads(host), pending_heads(host, told=True)
    for head in policy.heads:
        of_head = {outcome: host.counts[f"{head}/{outcome}"] for outcome in (*ENDS, *EARLY)}
        told = of_head["fake_negative"] + of_head["sampled_out"]
        if name == "fast_slow":
            assert of_head["negative"] == 0
            waited = of_head["positive"] + of_head["expired"] + told_open[head]
            assert waited <= told <= waited + of_head["overflow"] + of_head["erased"]
            of_head["sampled_out"] = 0
        else:
            assert of_head["fake_negative"] == of_head["expired"] == 0
        assert sum(of_head[outcome] for outcome in ENDS) + opened[head] == impressions


@given(numbers, streams)
@settings(max_examples=50, deadline=None)
def test_every_count_has_a_name_and_a_meaning(of: Labels, stream: list[Step]) -> None:
    """Nothing is counted that the catalogue of outcomes does not explain."""
    known = {f"{head}/{outcome}" for head in HEADS for outcome in (*ENDS, *EARLY)} | set(REASONS)
    for name in NAMES:
        assert set(+run(replace(of, policy=name), stream, set()).counts) <= known


def test_the_page_about_labels_explains_every_outcome_and_policy() -> None:
    """docs/labels.md has a row for each, in the words of the code."""
    page = (ROOT / "docs/labels.md").read_text(encoding="utf-8")
    for outcome, meaning in (ENDS | EARLY | REASONS).items():
        assert f"| `{outcome}` | {meaning} |" in page
    for name in NAMES:
        assert f"\n### `{name}`\n" in page


@pytest.mark.parametrize("name", NAMES)
def test_open_impressions_are_bounded_per_user_and_in_all(name: str) -> None:
    """The oldest go, counted by which bound, and by head; all others get their labels."""
    of = Labels(policy=name, heads=("click", "gift"))  # type: ignore[arg-type]  # a name of the four
    for more, bound, policy in (
        ({}, "overflow_user", replace(of, pending_per_user=3)),
        ({"each": True}, "overflow_total", replace(of, pending_total=3)),
    ):
        state = LabelState(policy)
        label(state, [impression(at, user_id=f"u{at}" if more else "u") for at in range(5)])
        tick(state, T0 + 9_000 * S)
        ended = {"overflow": 2, "expired" if name == "fast_slow" else "negative": 3}
        ended |= {"fake_negative": 3} if name == "fast_slow" else {}
        wanted = {f"{head}/{outcome}": n for head in policy.heads for outcome, n in ended.items()} | {bound: 2}
        assert {key: n for key, n in state.counts.items() if not key.endswith("masked")} == wanted


@pytest.mark.parametrize("name", NAMES)
def test_what_is_remembered_of_deadlines_is_bounded_too(name: str) -> None:
    """Thousands of impressions that overflow leave no more hints than twice what is open, and some."""
    state = LabelState(Labels(policy=name, heads=("gift",), pending_per_user=8))  # type: ignore[arg-type]
    for first in range(0, 20_000, 500):
        label(state, [impression(at) for at in range(first, first + 500)])
        assert len(state.join.exposures) == 8
        assert state.join.exposures.hints() <= 2 * 8 + 1_024 + 1_024
    assert state.counts["overflow_user"] == 20_000 - 8


@pytest.mark.parametrize("name", NAMES)
def test_ticks_alone_end_every_wait(name: str) -> None:
    """A partition that falls quiet is brought to its end by ticks at the times it names; none comes in vain twice."""
    state = LabelState(Labels(policy=name, heads=("click", "gift")))  # type: ignore[arg-type]
    label(state, [impression(at * 7 * S, user_id=f"u{at % 5}") for at in range(40)])
    label(state, [action(CLICK, 280 * S, user_id="u1")])
    ticks = 0
    while (due_ms := state.due_ms()) < FAR_MS:
        tick(state, due_ms)
        ticks += 1
    end = "expired" if name == "fast_slow" else "negative"
    assert (state.counts["click/positive"], state.counts[f"click/{end}"]) == (1, 39)
    assert state.counts[f"gift/{end}"] == 40
    assert ticks <= 4 * 40
