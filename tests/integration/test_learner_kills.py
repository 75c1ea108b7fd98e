"""A learner killed at random points ends at the bits of one that was not, and redelivered rows change nothing."""

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np

from rtrec.learning.weights import ScorerWeights
from rtrec.learning.weights_wire import Arriving
from rtrec.runtime.cluster.snapshots import Snapshots
from rtrec.stages import learn
from rtrec.stages.hops.learn import LearnHop
from rtrec.stages.messages import Record
from tests.integration.learner import settings_of, write
from tests.unit.runtime.cluster.examples import BEGAN_MS, DAY_MS, example, message

SOAK = bool(os.environ.get("RTREC_SOAK"))
KILLS = 20 if SOAK else 4
POLL_S = 0.005
MESSAGES, A_MESSAGE, OWNERS = (6_000, 20, 3) if SOAK else (1_200, 20, 3)
REDELIVERED = 20_000 if SOAK else 4_000


def log(rng: random.Random) -> tuple[list[Record], int]:
    """Messages of three owners, now and then all again that an owner sent lately; and how many rows that are."""
    sent: list[list[bytes]] = [[] for _ in range(OWNERS)]
    records: list[Record] = []
    repeated = 0
    for n in range(MESSAGES):
        owner, day = n % OWNERS, BEGAN_MS + n // 100 * DAY_MS
        made = message(
            len(records), owner, len(sent[owner]), [example(n * A_MESSAGE + k, day) for k in range(A_MESSAGE)]
        )
        sent[owner].append(made.value)
        records.append(made)
        if repeated < REDELIVERED and rng.random() < 0.1:
            for number in range(max(0, len(sent[owner]) - rng.randrange(1, 8)), len(sent[owner])):
                again = message(0, owner, number, [])._replace(offset=len(records), value=sent[owner][number])
                records.append(again)
                repeated += A_MESSAGE
    while repeated < REDELIVERED:
        again = message(0, 0, 0, [])._replace(offset=len(records), value=sent[0][0])
        records.append(again)
        repeated += A_MESSAGE
    return records, repeated


def snapshots(folder: Path) -> int:
    """A number that grows with every snapshot: how far the newest one is."""
    return max((int(file.name.split("-")[1].split(".")[0]) for file in folder.rglob("*.snapshot")), default=0)


def run(folder: Path, more: int | None = None, delay_s: float = 0.0) -> int:
    """Run a learner to its end, or kill it a moment after so many more snapshots; where it began."""
    command = [sys.executable, "-m", "tests.integration.learner", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own
        assert process.stdout is not None
        said = process.stdout.readline()
        assert said.startswith("began "), said
        met, before = 0, snapshots(folder)
        while more is not None and process.poll() is None and met < more:
            time.sleep(POLL_S)
            met, before = met + ((now := snapshots(folder)) > before), now
        if more is not None:
            with suppress(subprocess.TimeoutExpired):
                process.wait(delay_s)
            process.kill()
        assert process.wait() in (0, -signal.SIGKILL)
    return int(said.split()[1])


def test_a_learner_that_is_killed_again_and_again_ends_at_the_same_bits(tmp_path: Path) -> None:
    """Weights, figures and what scorers hold: as one offline pass over every message once."""
    rng = random.Random(29)
    records, repeated = log(rng)
    assert repeated >= REDELIVERED
    write(tmp_path, records)
    began = [run(tmp_path, rng.randrange(3), rng.uniform(0.0, 0.15)) for _ in range(KILLS)]
    began.append(run(tmp_path))
    assert began == sorted(began), "a learner goes on, and never back behind a snapshot"
    assert began[KILLS - 1] > 0, "no kill came after a snapshot"
    assert began[KILLS] < len(records), "the last kill hit nobody: the learner was done"

    settings = settings_of(tmp_path)
    whole = LearnHop(settings)
    turn = whole.take(records)
    assert turn.counts["repeated"] * A_MESSAGE == repeated
    kept = Snapshots(settings.registry).newest()
    assert kept is not None
    ended = LearnHop(settings)
    ended.restore(kept)
    assert kept.next_offset == len(records)
    assert list(learn.canonical(ended.state)) == list(learn.canonical(whole.state))
    assert ended.state.examples == MESSAGES * A_MESSAGE
    assert ended.state.progress.report() == whole.state.progress.report()
    scorer = published(tmp_path, settings.learner.slots_log2)
    slots = whole.state.model.slots()
    assert np.array_equal(scorer._weights[slots], whole.state.model.weights_of(slots))
    assert np.array_equal(scorer._bias, whole.state.model.bias())


def published(folder: Path, slots_log2: int) -> ScorerWeights:
    """A scorer that read all that any of the learners sent."""
    arriving, held = Arriving(), ScorerWeights(3, slots_log2)
    for file in sorted(folder.glob("weights.*")):
        data, at = file.read_bytes(), 0
        while at + 4 <= len(data) and at + 4 + (size := int.from_bytes(data[at : at + 4])) <= len(data):
            if (update := arriving.add(data[at + 4 : at + 4 + size])) is not None:
                held.apply(update)
            at += 4 + size
    return held
