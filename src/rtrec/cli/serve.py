"""`rtrec serve`: the API of a cluster, in one process or several.

Rules
-----
- Without keys, which come later, it listens on loopback only, unless `server.open` says that the network is its own.
- Each process follows the store and the topics for itself; they share the port, and nothing else.
- SIGTERM and Ctrl-C end it alike: requests are answered, what they logged is sent, exit code 0.
- While store or brokers are away at the start it waits, and can be ended.
- Processes end with the one that started them, also when it was killed: nobody else would free the port.
"""

import asyncio
import logging
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from rtrec.cli import options
from rtrec.cli.up import BACKLOG, GRACE_S, is_loopback, listening, loop_name
from rtrec.settings_io import load

if TYPE_CHECKING:
    from fastapi import FastAPI

LOG_FORMAT: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"


@click.command("serve")
@click.option("--host", default=None, help="Address to listen on; server.host if not given (127.0.0.1).")
@click.option(
    "--port", type=click.IntRange(0, 65_535), default=None,
    help="TCP port, 0 for a free one; server.port if not given (8000).",
)  # fmt: skip
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="How many processes answer.")
@options.config
def command(host: str | None, port: int | None, workers: int, config: Path | None) -> None:
    """The API of a cluster: scores from memory, events into Kafka.

    Says on stderr where it listens; /docs there describes the API. /readyz is 200 when anchors, control and weights
    are in memory.
    """
    settings = options.settings_of(config)
    options.require_cluster(settings)
    address = settings.server.host if host is None else host
    if not (is_loopback(address) or settings.server.open):
        raise click.UsageError(
            f"--host {address}: only loopback (127.0.0.1, ::1, localhost) is served, because the API has no keys yet; "
            "in a network of its own, server.open = true (RTREC_SERVER_OPEN=true) lets it listen there"
        )
    if config is not None:
        os.environ["RTREC_CONFIG"] = str(config.absolute())
    with listening(address, settings.server.port if port is None else port) as listener:
        shown = f"[{address}]" if ":" in address else address
        click.echo(f"rtrec: listening on http://{shown}:{listener.getsockname()[1]} (documentation at /docs)", err=True)
        _serve(listener, workers)


def _serve(listener: Any, workers: int) -> None:
    import uvicorn  # noqa: PLC0415 - the server's imports: not for help
    from uvicorn.supervisors import Multiprocess  # noqa: PLC0415

    config = uvicorn.Config(
        "rtrec.cli.serve:application", factory=True, workers=workers, loop=loop_name(), http="httptools",
        access_log=False, log_level="warning", lifespan="on", timeout_graceful_shutdown=GRACE_S, backlog=BACKLOG,
    )  # fmt: skip
    if workers == 1:
        # uvicorn raises the signal that ended it once more.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)
        uvicorn.Server(config).run(sockets=[listener])
    else:
        Multiprocess(config, sockets=[listener]).run()


def application() -> "FastAPI":
    """The application of one process, following the cluster and ready to answer."""
    if (starter := multiprocessing.parent_process()) is not None:
        threading.Thread(target=_end_after, args=(starter,), name="rtrec-starter", daemon=True).start()
    with _ended_at_once():
        return _application()


def _end_after(starter: Any) -> None:
    starter.join()
    os.kill(os.getpid(), signal.SIGTERM)


def _application() -> "FastAPI":
    from prometheus_client import CollectorRegistry  # noqa: PLC0415 - the server's imports: not for help

    from rtrec.adapters.prometheus import registry  # noqa: PLC0415
    from rtrec.api.app import create_app  # noqa: PLC0415
    from rtrec.runtime.cluster.scorer import begin  # noqa: PLC0415
    from rtrec.runtime.cluster.wiring import now_ms  # noqa: PLC0415
    from rtrec.runtime.reload import Watched  # noqa: PLC0415

    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT)
    file = Path(os.environ["RTREC_CONFIG"]) if os.environ.get("RTREC_CONFIG") else None
    settings = load(file, os.environ)
    scorer = begin(settings, now_ms, Watched(file, os.environ, settings))
    app = create_app(scorer, registry(CollectorRegistry()), settings)

    @asynccontextmanager
    async def serving(_: "FastAPI") -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(scorer.stop)

    app.router.lifespan_context = serving
    return app


@contextmanager
def _ended_at_once() -> Iterator[None]:
    """SIGTERM and Ctrl-C end the process: uvicorn would look at them only when the application is there."""
    before = {number: signal.signal(number, lambda *_: sys.exit(0)) for number in (signal.SIGTERM, signal.SIGINT)}
    if any(getattr(getattr(handler, "__self__", None), "should_exit", False) for handler in before.values()):
        sys.exit(0)  # uvicorn was told a moment ago
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
