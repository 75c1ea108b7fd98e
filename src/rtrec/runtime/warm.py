"""Compile, or load, every kernel ahead of the first event: `python -m rtrec.runtime.warm`, as `make install` does.

Numba keeps what it compiles beside the sources (or under NUMBA_CACHE_DIR), so that the quarter of a minute
it takes is paid once, at install. A server does it before it says that it is ready: half a second then.
"""

import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from rtrec.events.schema import TYPES
from rtrec.ranking.requests import ScoreRequest
from rtrec.runtime.host import Host
from rtrec.settings import Settings
from rtrec.settings_cluster import Cluster
from rtrec.stages.hops.heat import USER_EVENTS, HeatHop
from rtrec.stages.hops.hop import Hop
from rtrec.stages.hops.ingest import ANCHOR_EVENTS, DEAD_LETTERS, IngestHop
from rtrec.stages.hops.profile import ProfileHop
from rtrec.stages.messages import Record
from rtrec.stages.records import Records

NOW_MS: Final = 1_700_000_000_000


def warm() -> None:
    """Take one event of every type through every stage, and score."""
    with tempfile.TemporaryDirectory() as folder, Host.open(Path(folder), Settings()) as host:
        host.append_lines(_lines())
        host.drain()
        host.serving.score(ScoreRequest(candidates=["a", "b"], user_id="u"))
        host.serving.anchor("a")


HOPS: Final = ("ingest", "heat", "profile")


def warm_hops(last: str = HOPS[-1]) -> None:
    """The same through the hops of a cluster, whose events travel as bytes, from INGEST to the stage named."""
    settings, messages = Settings(cluster=Cluster(partitions=1)), _lines()
    hops: list[tuple[str, Hop]] = [
        ("events", IngestHop(settings, "events", 0)), (ANCHOR_EVENTS, HeatHop(settings, 0)),
        (USER_EVENTS, ProfileHop(settings, 0)),
    ]  # fmt: skip
    for topic, hop in hops[: HOPS.index(last) + 1]:
        records = Records.of([Record(k, NOW_MS, None, one, None) for k, one in enumerate(messages)])
        keys = hop.prepare({topic: records})
        sent = hop.turn(keys, [None] * len(keys)).messages
        messages = [one.value for one in sent if one.topic != DEAD_LETTERS]


def warm_clients() -> None:
    """Those that read from Kafka, where its client is installed."""
    with suppress(ModuleNotFoundError):
        from rtrec.adapters.kafka_batches import load_kernels  # noqa: PLC0415 - the embedded system needs no Kafka

        load_kernels()


def _lines() -> list[bytes]:
    event = {"anchor_id": "a", "user_id": "u", "live_id": "l", "value": 1, "watch_ms": 1, "kind": "block"}
    return [
        msgspec.json.encode({**event, "event_id": name, "type": name, "ts_ms": NOW_MS + place})
        for place, name in enumerate(TYPES)
    ]


if __name__ == "__main__":
    warm()
    warm_hops()
    warm_clients()
