"""Where a simulated stream goes: a file or standard output as JSON Lines, or a running API.

Rules
-----
- A file's bytes depend on the events alone: no times of writing, no names, also in `.gz`.
- An API gets events no earlier than they happen: the stream's own times pace it.
"""

import gzip
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final, cast

import msgspec

from rtrec.simulator.client import Client
from rtrec.simulator.pace import Fields

LINES_PER_WRITE: Final = 1_000
TICK_S: Final = 0.05


def write_lines(events: Iterable[Fields], target: BinaryIO) -> int:
    """Write events as JSON Lines and return how many."""
    written = 0
    encode = msgspec.json.Encoder().encode_lines
    stream = iter(events)
    while chunk := list(islice(stream, LINES_PER_WRITE)):
        target.write(encode(chunk))
        written += len(chunk)
    return written


@contextmanager
def opened(path: str) -> Iterator[BinaryIO]:
    """A file to write, packed where its name ends in `.gz`; `-` is standard output."""
    if path == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
    elif path.endswith(".gz"):
        with Path(path).open("wb") as raw, gzip.GzipFile("", "wb", mtime=0, fileobj=raw) as packed:
            yield cast(BinaryIO, packed)
    else:
        with Path(path).open("wb") as plain:
            yield plain


def post_events(events: Iterable[Fields], client: Client) -> tuple[int, int]:
    """Send events to an API as their times come; returns how many were taken and how many sent."""
    taken = sent = 0
    waiting: list[Fields] = []
    flush_at_ms = 0
    for event in events:
        ts_ms = cast(int, event["ts_ms"])
        if waiting and ts_ms > flush_at_ms:
            _sleep_until(flush_at_ms)
            taken += len(client.send(waiting))
            waiting = []
        if not waiting:
            flush_at_ms = ts_ms + int(1_000 * TICK_S)
        waiting.append(event)
        sent += 1
    _sleep_until(flush_at_ms)
    return taken + len(client.send(waiting)), sent


def _sleep_until(at_ms: int) -> None:
    time.sleep(max(0.0, at_ms / 1_000.0 - time.time()))
