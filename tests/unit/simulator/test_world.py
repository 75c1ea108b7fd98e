"""The world's truth: tastes decide clicks, popularity hardly."""

from statistics import fmean

from rtrec.simulator.world import CATEGORIES, World

WORLD = World(3, viewers=300, anchors=40)


def test_the_same_seed_gives_the_same_world_and_another_seed_another() -> None:
    assert World(3, 300, 40).viewers == WORLD.viewers
    assert World(4, 300, 40).viewers != WORLD.viewers


def test_taste_moves_a_click_more_than_charm_does() -> None:
    """Within one viewer's list, the best category beats the best charm: heat alone cannot rank well."""
    by_taste = fmean(max(one.taste.values()) - min(one.taste.values()) for one in WORLD.viewers)
    by_charm = max(one.charm for one in WORLD.anchors) - min(one.charm for one in WORLD.anchors)
    assert by_taste > 2 * by_charm


def test_groups_share_some_of_their_taste() -> None:
    """Declared attributes carry a signal: mean tastes of the two genders differ beyond chance somewhere."""
    groups = [[one for one in WORLD.viewers if one.gender == gender] for gender in ("f", "m")]
    gaps = [abs(fmean(v.taste[c] for v in groups[0]) - fmean(v.taste[c] for v in groups[1])) for c in CATEGORIES]
    assert max(gaps) > 0.4


def test_familiar_anchors_are_clicked_more_and_lower_places_less() -> None:
    viewer, anchor = WORLD.viewers[0], WORLD.anchors[0]
    first = WORLD.click_probability(viewer, anchor)
    assert WORLD.click_probability(viewer, anchor, visits=5) > first
    assert WORLD.click_probability(viewer, anchor, position=7) < first
