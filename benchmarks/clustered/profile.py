"""Where the time of a stage's process goes, by part of its work: samples of py-spy, where that is installed.

`PARTS` is read from top to bottom: a sample belongs to the first part of which any of its frames is.
"""

import os
import shutil
import signal
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final

from benchmarks.clustered.processes import Stage

HERTZ: Final = 100
PARTS: Final = {
    "fetch and parse records": ("aiokafka/consumer", "aiokafka/record", "kafka_records.py"),
    "publish: batches, compression": ("kafka_publisher.py", "aiokafka/producer"),
    "kafka connections": ("aiokafka/",),
    "store: commit": ("commit (rtrec/adapters/redis_store.py", "redis_arguments.py"),
    "store: read": ("redis_store.py", "redis_client.py", "redis/"),
    "decode events": ("scan.py", "narrow.py", "decode_many"),
    "columns": ("columns.py",),
    "judge": ("stages/ingest.py",),
    "split into chunks": ("stages/hops/ingest.py",),
    "read chunks": ("prepare (rtrec/stages/hops/heat.py",),
    "user events": ("_hand_on", "heat_events.py", "user_chunk.py"),
    "encode records": ("_write_records",),
    "seen, ledger, people": ("_write_chunks", "stages/chunks.py"),
    "words": ("_write_words",),
    "kernel and the rest of HEAT": ("stages/heat.py",),
    "worker": ("runtime/cluster/",),
    "faust": ("faust/", "mode/"),
}


def profiler() -> str | None:
    """py-spy, by RTREC_PYSPY or on the PATH."""
    return os.environ.get("RTREC_PYSPY") or shutil.which("py-spy")


def watch(stages: list[Stage]) -> Callable[[], dict[str, dict[str, float]]]:
    """Sample the stages' processes until the result is called for: shares of samples by part, largest first."""
    spy = profiler()
    if spy is None:
        raise RuntimeError("--profile needs py-spy: pip install py-spy, or RTREC_PYSPY=/path/to/it")
    begun = []
    for one in stages:
        file = one.log.with_name("samples")
        command = [spy, "record", "--pid", str(one.pid), "--format", "raw", "--rate", str(HERTZ), "--output", str(file),
                   "--duration", "3600", "--nonblocking"]  # fmt: skip
        begun.append((one, file, subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)))  # noqa: S603

    def found() -> dict[str, dict[str, float]]:
        for _, _, process in begun:
            process.send_signal(signal.SIGINT)
        for _, _, process in begun:
            process.wait(60)
        return {one.name: shares(file) for one, file, _ in begun}

    return found


def shares(file: Path) -> dict[str, float]:
    """Percent of a file of samples (`frame;frame;… count`) by part."""
    counts: Counter[str] = Counter()
    for line in file.read_text(encoding="utf-8").splitlines():
        stack, _, count = line.rpartition(" ")
        part = next((part for part, marks in PARTS.items() if any(mark in stack for mark in marks)), "other")
        counts[part] += int(count)
    total = sum(counts.values()) or 1
    return {part: round(100 * count / total, 1) for part, count in counts.most_common()}
