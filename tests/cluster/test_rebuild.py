"""State recomputed from the log is the state that was; whoever still works is not written under."""

import json
from collections.abc import Iterator

import pytest

from rtrec.adapters.redis_client import connect
from rtrec.adapters.redis_faults import StoreTorn
from rtrec.ports import Owner, Verdict
from rtrec.stages.effects import Writes
from services.process import until
from tests.cluster.producers import Producers
from tests.cluster.standing import MAIN
from tests.cluster.together import Together, event

REBUILT = ("anchors", "dedupe", "ledger", "users", "weights")
STORY = 2_000


@pytest.fixture(scope="module")
def told(together: Together) -> Together:
    """A cluster that has seen a story, with an erasure in the middle of a user's life."""
    together.ensure(*MAIN)
    producers = Producers(together.services.kafka.address, f"{together.settings.cluster.namespace}events")
    lines = together.story(seed=7, events=STORY)
    user = next(one["user_id"] for one in map(json.loads, (x.value for x in lines if x.good)) if "user_id" in one)
    producers.begin(lines[: STORY // 2]).end()
    together.settle()
    for one in (str(user), "gone"):
        together.send(event("gift", "a0", one, value=5))
    together.until(lambda: together.workers[0].get("/v1/users/gone").status == 200, "the user is known")
    for one in (str(user), "gone"):
        assert together.workers[0].ask("DELETE", f"/v1/users/{one}").status == 204
    producers.begin(lines[STORY // 2 :]).end()
    together.send(event("gift", "a0", "gone", value=6))
    for n in range(30):
        shown = {"request_id": f"b{n}", "surface": "feed"}
        together.send(event("impression", "a0", f"w{n}", **shown), event("click", "a0", f"w{n}", **shown))
    producers.close()
    together.settle()
    return together


@pytest.fixture(scope="module")
def at_rest(told: Together) -> Iterator[Together]:
    """With every stage stopped, and gone from its group."""
    told.stop(*MAIN)
    yield told
    told.ensure(*MAIN)


def test_it_is_refused_while_members_work(told: Together) -> None:
    """Exit code 1, and what to do; nothing is touched."""
    offsets = told.standing.offsets("heat")
    epochs = [told.standing.epoch("heat", n) for n in range(len(offsets))]
    for stage in ("heat", "profile", "learn"):
        said = told.command("rebuild", "--stage", stage, exit_code=1).output
        assert f"group {told.settings.cluster.namespace}rtrec-{stage} has 1 members: stop the stage's workers" in said
    assert told.standing.offsets("heat") == offsets
    assert [told.standing.epoch("heat", n) for n in range(len(offsets))] == epochs


def test_what_is_rebuilt_has_the_digest_of_the_original(at_rest: Together) -> None:
    """Anchors, users, seen ids, ledger and weights; where each stood, it stands."""
    before, stood = at_rest.json_of("digest"), {stage: at_rest.standing.offsets(stage) for stage in MAIN}
    users = _users(at_rest)
    assert users
    said = at_rest.json_of("rebuild")
    after = at_rest.json_of("digest")
    assert {part: after["parts"][part] for part in REBUILT} == {part: before["parts"][part] for part in REBUILT}
    assert after == before, "what is not rebuilt is not touched"
    assert {stage: at_rest.standing.offsets(stage) for stage in MAIN} == stood
    assert sum(said["messages"].values()) > 0
    assert set(said["messages"]) == {"heat:0", "heat:1", "profile:0", "profile:1", "learn:0"}
    assert _users(at_rest) == users
    assert "gone" not in users


def test_a_rebuild_mends_what_was_damaged(at_rest: Together) -> None:
    """A record that a disk has bitten, and one that is missing."""
    before = at_rest.json_of("digest")
    owner, store = Owner("heat", 0), at_rest.standing.store
    names = [key for key, _ in store.scan(owner, "a/")][:2]
    (value,) = store.get(owner, names[:1])
    writes = Writes(puts={names[0]: None, names[1]: value})
    assert store.commit(owner, store.acquire(owner).epoch, {}, writes) is Verdict.OK
    assert at_rest.json_of("digest")["parts"]["anchors"] != before["parts"]["anchors"]
    at_rest.json_of("rebuild", "--stage", "heat")
    assert at_rest.json_of("digest") == before


def test_a_learner_whose_commit_was_torn_is_rebuilt(at_rest: Together) -> None:
    """A server that was cut off in the middle of it has loaded the beginning."""
    before, owner = at_rest.json_of("digest"), Owner("learn", 0)
    with connect(at_rest.settings.redis) as client:
        client.hincrby(f"{{{at_rest.settings.cluster.namespace}{owner}}}:meta", "commits", 1)
    with pytest.raises(StoreTorn):
        at_rest.standing.store.acquire(owner)
    at_rest.json_of("rebuild", "--stage", "learn")
    assert at_rest.json_of("digest") == before


def test_stages_go_on_from_rebuilt_state(at_rest: Together) -> None:
    """Nothing is published twice, nothing left out: the oracle agrees about all that was ever sent."""
    ends = {topic: at_rest.standing.ends(topic) for topic in ("anchor_events", "user_events", "profiled")}
    at_rest.ensure(*MAIN)
    at_rest.send(event("gift", "a0", "after", value=11), event("gift", "a1", "gone", value=6))
    at_rest.settle()
    assert at_rest.differences()[:3] == []
    grown = {topic: sum(at_rest.standing.ends(topic)) - sum(at) for topic, at in ends.items()}
    assert grown["anchor_events"] <= 2
    assert grown["user_events"] <= 3
    assert [worker.get("/v1/users/gone").status for worker in at_rest.workers] == [404, 404]
    for worker in at_rest.workers:
        assert until(lambda: worker.get("/v1/users/after").status == 200, 10.0)  # noqa: B023


def _users(together: Together) -> set[str]:
    """Users with a record."""
    return {
        key.removeprefix("u/")
        for number in range(together.standing.partitions)
        for key, _ in together.standing.store.scan(Owner("profile", number), "u/")
    }
