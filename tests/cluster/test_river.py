"""River's own model on a cluster: learned from Kafka, published to every scorer process, moved to another learner."""

from collections.abc import Iterator

import pytest

from tests.cluster.together import Together, event

SCALED = "river.preprocessing.StandardScaler | river.linear_model.LogisticRegression"
LEARNED_S = 30.0
PAIRS = 60


@pytest.fixture(scope="module")
def river(together: Together, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Together]:
    """A second cluster on the same services, in a namespace of its own."""
    cluster = Together.begin(
        together.services,
        tmp_path_factory.mktemp("river"),
        RTREC_CLUSTER_NAMESPACE="river-",
        RTREC_LEARNER_MODEL=SCALED,
    )
    yield cluster
    cluster.leave()


def clicks(cluster: Together, round_: int) -> None:
    """People who click all that they are shown."""
    for number in range(PAIRS):
        ids = {"request_id": f"r{round_}.{number}"}
        cluster.send(event("impression", "loved", f"u{number}", **ids), event("click", "loved", f"u{number}", **ids))


def p_everywhere(cluster: Together) -> list[float]:
    """What each process of the API gives a click."""
    return [worker.score("loved").document["scores"][0]["heads"]["click"]["p"] for worker in cluster.workers]


def test_every_scorer_serves_what_river_has_learned_also_after_the_learner_has_moved(river: Together) -> None:
    """p rises with clicks in every process; the next learner goes on from the snapshot, and p goes on rising."""
    assert p_everywhere(river) == pytest.approx([0.5] * len(river.workers), abs=0.01)
    clicks(river, 0)
    river.until(lambda: min(p_everywhere(river)) > 0.52, "every process serves what was learned", LEARNED_S)
    river.settle_of("learn")
    before = min(p_everywhere(river))
    (learner,) = river.fleet.of("learn")
    river.fleet.kill(learner)
    river.ensure("learn")
    clicks(river, 1)
    river.until(lambda: min(p_everywhere(river)) > before + 0.01, "the next learner's weights serve", LEARNED_S)


def test_a_model_without_weights_is_refused_before_anything_starts(together: Together) -> None:
    """`rtrec config check` on a cluster says so, and so does a stage."""
    changed = {"RTREC_LEARNER_MODEL": "river.tree.HoeffdingTreeClassifier"}
    checked = together.command_with(changed, "config", "check")
    assert checked.exit_code == 2
    assert "works embedded" in checked.output
    assert together.command_with(changed, "stage", "learn").exit_code == 2
