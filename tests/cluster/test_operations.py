"""Running a cluster: rolling restarts, Faust's own command line, several sources, commands, and a log that is gone."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import MemberToRemove

from rtrec.adapters.kafka_log import KafkaLog
from rtrec.ports import Owner, Verdict
from rtrec.stages.effects import Writes
from services.process import until
from tests.cluster.fleet import GONE_S, SOON_S, StageWorker
from tests.cluster.producers import Producers
from tests.cluster.together import PARTITIONS, Together, event, now_ms

ROOT = Path(__file__).resolve().parents[2]
LINES = 1_500
SESSION_MS = "30000"
"""A restart takes seconds; on a machine that others keep busy, many."""


@pytest.fixture(autouse=True)
def _at_work(together: Together) -> None:
    together.ensure("ingest", "heat", "profile")


@dataclass
class Members:
    """Who is in a group, and what each has."""

    given: dict[str, list[tuple[str, int]]]
    state: str


def members(together: Together, stage: str) -> Members:
    """As the broker tells it."""
    group = f"{together.settings.cluster.namespace}rtrec-{stage}"
    admin = KafkaAdminClient(bootstrap_servers=together.services.kafka.address)
    try:
        found: Any = admin.describe_groups([group])[group]
    finally:
        admin.close()
    return Members({one["member_id"]: _partitions(one) for one in found["members"]}, str(found["group_state"]))


def _partitions(member: Any) -> list[tuple[str, int]]:
    assigned = member["member_assignment"]
    return sorted(
        (one["topic"], number)
        for one in (assigned or {}).get("assigned_partitions", ())
        for number in one["partitions"]
    )


@contextmanager
def process(together: Together, name: str, *command: str, **changed: str) -> Iterator[StageWorker]:
    """A worker that is started by a command of its own."""
    folder = together.folder / "commands" / name
    folder.mkdir(parents=True)
    with (folder / "worker.log").open("wb") as log:
        child = subprocess.Popen(  # noqa: S603 - our own command
            command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            env=_environ(together) | changed,
        )  # fmt: skip
    try:
        yield StageWorker("heat", 0, folder, child)
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()


def _environ(together: Together) -> dict[str, str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("RTREC_")}
    return ours | together.environ | {"TMPDIR": str(together.folder)}


def ended(worker: StageWorker) -> float:
    """Tell a process to end; how long it took."""
    began_s = time.monotonic()
    worker.process.send_signal(signal.SIGTERM)
    assert until(lambda: worker.process.poll() is not None, 3 * GONE_S), worker.tail()
    return time.monotonic() - began_s


def instance(together: Together, name: str, number: int) -> Any:
    """`rtrec stage heat --instance NAME`."""
    command = [sys.executable, "-m", "rtrec.cli", "stage", "heat", "--instance", name]
    return process(together, f"{name}-{number}", *command, RTREC_CLUSTER_SESSION_TIMEOUT_MS=SESSION_MS)


def test_a_rolling_restart_of_named_instances_moves_no_partition(together: Together) -> None:
    """Static membership: the others go on with what they have, and hear of nothing."""
    together.stop("heat")
    with instance(together, "left", 1) as left, instance(together, "right", 1) as right:
        together.until(lambda: len(left.partitions) == len(right.partitions) == 1, f"one each\n{left.tail()}")
        together.until(lambda: members(together, "heat").state == "Stable", "the group is stable")
        before, heard = members(together, "heat"), len(left.assignments)
        had = right.partitions
        assert ended(right) < GONE_S
        assert members(together, "heat").state == "Stable", "nobody waits for it, and nothing is given away"
        with instance(together, "right", 2) as again:
            together.until(lambda: again.partitions == had, f"it has what it had\n{again.tail()}")
            after = members(together, "heat")
            assert after.state == "Stable"
            assert sorted(after.given.values()) == sorted(before.given.values())
            assert len(left.assignments) == heard, left.tail()
            since = together.standing.offsets("heat")
            for n in range(20):
                together.send(event("like", f"rolled{n}", "u"))
            together.settle_of("ingest", "heat")
            assert all(now > then for now, then in zip(together.standing.offsets("heat"), since, strict=True))
            assert ended(again) < GONE_S
        assert ended(left) < GONE_S
    _forget(together, "heat")


def _forget(together: Together, stage: str) -> None:
    """Static members stay in their group after their end, until their session is over: take them out."""
    group = f"{together.settings.cluster.namespace}rtrec-{stage}"
    admin = KafkaAdminClient(bootstrap_servers=together.services.kafka.address)
    try:
        admin.remove_group_members(group, [MemberToRemove(group_instance_id=name) for name in ("left", "right")])
    finally:
        admin.close()


def test_fausts_own_command_line_works_beside_ours_and_ends_under_load_without_loss(together: Together) -> None:
    """Neither binds a port; both share the partitions. Told to end it is gone soon, and nothing is lost or doubled."""
    faust = [sys.executable, "-m", "faust", "-A", "streams.heat", "worker", "-l", "info"]
    producers = Producers(together.services.kafka.address, f"{together.settings.cluster.namespace}events")
    with process(together, "faust", *faust) as worker:
        (ours,) = together.fleet.of("heat")
        together.until(lambda: len(worker.partitions) == len(ours.partitions) == 1, f"one each\n{worker.tail()}")
        ((_, number),) = worker.partitions
        before = together.standing.offsets("heat")[number]
        feeding = producers.begin(together.story(seed=50, events=LINES))
        together.until(lambda: together.standing.offsets("heat")[number] > before, "it works")
        took_s = ended(worker)
        print(f"gone after {took_s:.1f} s")  # noqa: T201
        assert took_s < GONE_S
        assert worker.process.returncode == 0
        assert "address already in use" not in worker.log.lower()
        feeding.end()
    producers.close()
    together.until(lambda: len(ours.partitions) == PARTITIONS, "ours goes on with all")
    together.settle_of("ingest", "heat")
    assert together.differences()[:3] == []


def test_several_sources_end_in_the_same_anchors(together: Together) -> None:
    """One topic has our events, the other a partner's by a mapping; what the mapping refuses is a dead letter."""
    at_s = now_ms() / 1_000
    partner = [
        {"id": f"p{at_s}.{n}", "kind": kind, "time": at_s, "room": {"owner": "shared", "id": "l"}, "user": {"id": "u"},
         "price": "2.50"}
        for n, kind in enumerate(("room_opened", "gift_sent", "ping", "unheard_of"))
    ]  # fmt: skip
    producer = KafkaProducer(bootstrap_servers=together.services.kafka.address, acks="all")
    for one in partner:
        producer.send(f"{together.settings.cluster.namespace}partner", json.dumps(one).encode()).get(30)
    producer.close()
    together.send(event("gift", "shared", "v", value=50, live_id="l"))
    together.until(lambda: _gifts(together, "shared") == 300, "both gifts are in one anchor")
    together.until(lambda: any(one["topic"] == "partner" for one in _letters(together)), "one is a dead letter")
    letters = [one for one in _letters(together) if one["topic"] == "partner"]
    refused = [("unheard_of" in one["reason"], json.loads(one["original"])["kind"]) for one in letters]
    assert refused == [(True, "unheard_of")]


def _letters(together: Together) -> list[dict[str, Any]]:
    """All dead letters, as the command lists them."""
    found: list[dict[str, Any]] = together.json_of("deadletters", "list", "--limit", "10000")["dead_letters"]
    return found


def _gifts(together: Together, anchor: str) -> int:
    answer = together.workers[0].get(f"/v1/anchors/{anchor}")
    return int(answer.document["windows"]["gift_value"]["24h"]) if answer.status == 200 else 0


def test_commands_look_at_the_cluster_as_the_api_does(together: Together) -> None:
    together.send(event("live_start", "looked", live_id="l"), event("gift", "looked", "at", value=40, live_id="l"))
    together.until(lambda: together.workers[0].get("/v1/users/at").status == 200, "the user is known")
    together.settle_of("ingest", "heat", "profile")
    shown, answered = together.json_of("show", "anchor", "looked"), together.workers[0].get("/v1/anchors/looked")
    assert shown["windows"] == answered.document["windows"]
    assert (shown["live"], shown["heat"]["rank"]) == (True, answered.document["heat"]["rank"])
    user = together.json_of("show", "user", "at")
    assert user["gift_value"] == together.workers[0].get("/v1/users/at").document["gift_value"]
    board = together.workers[0].get("/v1/hot?n=10").document["anchors"]
    assert [one["anchor_id"] for one in together.json_of("hot", "--n", "10")["anchors"]] == [
        one["anchor_id"] for one in board
    ]
    assert "no user nobody" in together.command("show", "user", "nobody", exit_code=1).output
    parts = together.json_of("digest")["parts"]
    assert {"anchors", "users", "dedupe", "ledger", "weights"} <= set(parts)
    assert together.json_of("digest")["parts"]["anchors"] == parts["anchors"]


def test_dead_letters_are_listed_and_sent_again(together: Together) -> None:
    """What is refused again is a new dead letter; one whose event is right by now is taken."""
    log = KafkaLog(together.settings)
    future = event("gift", "early", "u", value=3) | {"ts_ms": now_ms() + 62_000}
    producer = KafkaProducer(bootstrap_servers=together.services.kafka.address, acks="all")
    together.bad.add(b'{"event_id": "never"}')
    together.excused.add(future["event_id"])
    for value in (json.dumps(future).encode(), b'{"event_id": "never"}'):
        producer.send(f"{together.settings.cluster.namespace}events", value).get(30)
    producer.close()

    def letters() -> list[dict[str, Any]]:
        ours = ("never", future["event_id"])
        return [one for one in _letters(together) if any(name in one["original"] for name in ours)]

    together.until(lambda: len(letters()) == 2, "both are dead letters")
    early = next(one for one in letters() if future["event_id"] in one["original"])
    never = next(one for one in letters() if "never" in one["original"])
    assert "future" in early["reason"]
    together.until(lambda: now_ms() > future["ts_ms"] - 58_000, "its time has come nearer")
    report = together.json_of("deadletters", "requeue", str(early["offset"]), str(never["offset"]))
    assert report == {"requeued": 2, "refused": []}
    together.until(lambda: _gifts(together, "early") == 3, "it is taken now")
    together.until(lambda: len(letters()) == 3, "the other is refused again")
    said = together.command("deadletters", "requeue", str(log.bounds("dead_letters", 0).end + 5), exit_code=1).output
    assert "there is no dead letter at this offset" in said
    log.close()


def test_a_simulated_platform_is_produced_into_kafka(together: Together) -> None:
    target = f"kafka://{together.services.kafka.address}"
    before = sum(together.standing.ends("events"))
    said = together.command("simulate", "--events", "2000", "--seed", "3", "--to", target).output
    assert "2,000 events" in said
    assert sum(together.standing.ends("events")) == before + 2_000
    together.settle_of("ingest", "heat", "profile")


def test_a_stored_offset_outside_the_log_ends_the_process_with_an_alarm(together: Together) -> None:
    """Never a silent reset: retention, or a topic that was made anew, has taken what state goes on from."""
    changed = {"RTREC_CLUSTER_NAMESPACE": "outside-"}
    made = together.command_with(changed, "topics", "create")
    assert made.exit_code == 0
    standing = together.standing_of(changed)
    owner = Owner("heat", 1)
    epoch = standing.store.acquire(owner).epoch
    verdict = standing.store.commit(owner, epoch, {"anchor_events": (0, 1_000_000)}, Writes())
    assert verdict is Verdict.OK
    standing.close()
    command = [sys.executable, "-m", "rtrec.cli", "stage", "heat"]
    with process(together, "outside", *command, **changed) as worker:
        assert until(lambda: worker.process.poll() is not None, SOON_S), worker.tail()
        assert worker.process.returncode not in (0, None)
        assert "ALARM: heat:1 stands at 1000000 of outside-anchor_events:1, whose log holds 0 to 0" in worker.log
