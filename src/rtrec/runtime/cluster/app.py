"""A stage as a Faust application: `faust -A streams.heat worker`, or `rtrec stage heat`.

Rules
-----
- Settings come from `rtrec.toml` or the file that RTREC_CONFIG names, and the environment: a worker that Faust starts
  has no options of ours. RTREC_INSTANCE gives it a static membership.
- The application is one agent that hands lists of records to the host; Faust's own offsets, tables and web server
  are not used.
- It waits for store and brokers that are away when it starts.
- What cannot be gone on with ends the process; `Watchdog` begins it anew when it stands still.
"""

import gc
import logging
import os
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import faust
import uvloop
from faust.app.base import BootStrategy
from faust.worker import Worker
from yarl import URL

from rtrec.adapters.kafka_batches import load_kernels
from rtrec.adapters.kafka_faults import probe_now
from rtrec.adapters.kafka_settings import for_aiokafka, for_faust
from rtrec.adapters.redis_client import connect, policy_fault
from rtrec.adapters.redis_store import RedisStore
from rtrec.runtime.cluster.health import Health
from rtrec.runtime.cluster.host import StageHost
from rtrec.runtime.cluster.patience import patiently
from rtrec.runtime.cluster.table import STAGES
from rtrec.runtime.cluster.transport import Batches, BatchTransport
from rtrec.runtime.cluster.watchdog import Watchdog
from rtrec.runtime.collecting import collect_rarely
from rtrec.runtime.reload import Watched
from rtrec.runtime.warm import HOPS, warm_hops
from rtrec.settings import Settings
from rtrec.settings_io import load

POLL_PIECES: Final = 16
"""What a poll brings at most: `kafka_batches` makes pieces of many records, so that is one or two a partition."""
FETCH_BYTES: Final = 8 << 20
HEARTBEATS_A_SESSION: Final = 5
RELOAD_S: Final = 1.0
METADATA_MS: Final = 10_000
"""A stage that was started before its topics were made finds them within this time."""
GRACE_S: Final = 1.0
_log = logging.getLogger("rtrec.app")


class _Boot(BootStrategy):  # type: ignore[misc]
    """What a stage starts of Faust: neither its web server, so that workers share a machine, nor its producer."""

    enable_kafka_producer = False

    def _should_enable_web(self) -> bool:
        return False


class StageApp(faust.App):  # type: ignore[misc]
    """A Faust application with the host of its stage."""

    BootStrategy = _Boot
    host: StageHost
    watchdog: Watchdog

    def plain_name(self, topic: str) -> str:
        """A topic's name without the namespace."""
        return topic.removeprefix(self.host.settings.cluster.namespace)

    async def on_first_start(self) -> None:
        """Load the kernels, while no partition waits for it; watch, once there is a loop."""
        await super().on_first_start()
        load_kernels()
        if self.host.stage in HOPS:
            warm_hops(self.host.stage)
        collect_rarely()
        self.watchdog.start()

    async def stop(self) -> None:
        """End, within the time that there is: what is committed by then is all that matters."""
        self.watchdog.end_within(self.host.settings.cluster.drain_ms / 1_000 + GRACE_S)
        await super().stop()

    async def on_stop(self) -> None:
        """End the host in good order; Faust has let the partitions go."""
        self.watchdog.stop()
        await self.host.stop()
        await super().on_stop()
        gc.freeze()  # the interpreter's last collection walks over all that Numba has made: half a second of CPU


def stage_app(stage: str, environ: Mapping[str, str] | None = None) -> StageApp:
    """The application of a stage, as soon as store and brokers answer."""
    uvloop.install()
    environ = os.environ if environ is None else environ
    file = Path(environ["RTREC_CONFIG"]) if environ.get("RTREC_CONFIG") else None
    settings = load(file, environ)
    cluster, arguments = settings.cluster, for_faust(settings.kafka)
    app = StageApp(
        f"{cluster.namespace}rtrec-{stage}",
        broker=arguments["broker"],
        broker_credentials=arguments["broker_credentials"],
        broker_client_id="rtrec",
        broker_session_timeout=cluster.session_timeout_ms / 1_000,
        broker_heartbeat_interval=cluster.session_timeout_ms / 1_000 / HEARTBEATS_A_SESSION,
        broker_commit_interval=1.0,
        broker_max_poll_records=POLL_PIECES,
        consumer_max_fetch_size=FETCH_BYTES,
        consumer_group_instance_id=environ.get("RTREC_INSTANCE") or None,
        consumer_metadata_max_age_ms=METADATA_MS,
        stream_buffer_maxsize=16,
        stream_wait_empty=False,
        topic_disable_leader=True,
        web_enabled=False,
        datadir=tempfile.mkdtemp(prefix="rtrec-faust-"),
    )
    app.transport = BatchTransport([URL(one) for one in arguments["broker"]], app)
    app.watchdog = Watchdog(cluster.stall_ms / 1_000)
    app.host = _host(stage, settings, app.watchdog)
    names = [cluster.namespace + topic for topic in STAGES[stage].topics(settings)]
    watched, health = Watched(file, environ, settings), Health(environ)

    @app.agent(app.topic(*names, schema=Batches()), name=f"rtrec.{stage}")  # type: ignore[untyped-decorator]
    async def take(stream: Any) -> None:
        async for event in stream.noack().events():
            place = app.plain_name(event.message.topic), event.message.partition
            await app.host.deliver(place, event.value, event.ack)

    @app.timer(RELOAD_S)  # type: ignore[untyped-decorator]
    async def look() -> None:
        app.watchdog.beat(app.host.workers.values())
        health.beat(app.host.workers.values())
        if (changed := watched()) is not None:
            app.host.change(changed)

    return app


def _host(stage: str, settings: Settings, watchdog: Watchdog) -> StageHost:
    client = patiently(lambda: connect(settings.redis))
    patiently(lambda: probe_now(for_aiokafka(settings.kafka)))  # Faust would end
    if fault := policy_fault(client):
        _log.error("ALARM: %s", fault)
    store = RedisStore(client, settings.cluster.namespace)
    return StageHost(stage, settings, store, lambda: time.time_ns() // 1_000_000, watchdog.restart)


def run(app: StageApp, log_level: str = "info") -> None:
    """Work until SIGTERM or Ctrl-C, as `faust worker` does."""
    app.finalize()
    Worker(app, loglevel=log_level, redirect_stdouts=False).execute_from_commandline()
