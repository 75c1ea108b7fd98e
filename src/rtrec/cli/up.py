"""`rtrec up`: log, all stages and the API in one process, until it is told to end.

Rules
-----
- It listens on loopback only: there are no keys yet, and whoever reaches the API may write events and ban anchors.
- SIGTERM and Ctrl-C end it alike: requests are answered, the stages stop, the folder is closed, exit code 0.
"""

import logging
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

import click

from rtrec.cli import options
from rtrec.runtime.reload import Watched

GRACE_S: Final = 5
BACKLOG: Final = 2_048


@click.command("up")
@options.data_to_work_on
@click.option("--host", default=None, help="Address to listen on, of loopback; server.host if not given (127.0.0.1).")
@click.option(
    "--port", type=click.IntRange(0, 65_535), default=None,
    help="TCP port, 0 for a free one; server.port if not given (8000).",
)  # fmt: skip
@options.config
def command(data: Path, host: str | None, port: int | None, config: Path | None) -> None:
    """Serve a data folder: log, all stages and the API in one process.

    Says on stderr where it listens; /docs there describes the API. Heat weights, ranking and variants follow the
    configuration file while it runs.
    """
    settings = options.settings_of(config)
    address = settings.server.host if host is None else host
    if not is_loopback(address):
        raise click.UsageError(
            f"--host {address}: only loopback (127.0.0.1, ::1, localhost) is served, because the API has no keys yet; "
            "whoever reaches it could write events and ban anchors"
        )
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    from prometheus_client import CollectorRegistry  # noqa: PLC0415 - the server's imports: not for help

    from rtrec.adapters.prometheus import registry  # noqa: PLC0415
    from rtrec.api.app import create_app  # noqa: PLC0415
    from rtrec.cli.folder import working  # noqa: PLC0415

    taken_port = settings.server.port if port is None else port
    with listening(address, taken_port) as listener, working(data, settings) as running:
        running.start(Watched(config, os.environ, settings))
        try:
            _serve(create_app(running, registry(CollectorRegistry()), settings), listener)
        finally:
            running.stop()


def is_loopback(host: str) -> bool:
    """Whether an address can be reached from this machine only.

    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, True, False)
    """
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """A listening socket, so that a taken port is said at once and a free one is known."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise click.ClickException(f"cannot listen on {host}:{port}: {error.strerror}") from error
    with listener:
        yield listener


def _serve(app: Any, listener: socket.socket) -> None:
    """Answer requests until SIGTERM or SIGINT."""
    import uvicorn  # noqa: PLC0415 - the server's imports: not for help

    server = uvicorn.Server(
        uvicorn.Config(
            app, loop=loop_name(), http="httptools", access_log=False, log_level="warning", lifespan="off",
            timeout_graceful_shutdown=GRACE_S,
        )
    )  # fmt: skip
    # uvicorn raises the signal that ended it once more: by then the default would kill us before we have closed.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    click.echo(f"rtrec: listening on http://{shown}:{port} (documentation at /docs)", err=True)
    server.run(sockets=[listener])


def loop_name() -> Any:
    """The event loop to answer on."""
    try:
        import uvloop  # noqa: F401, PLC0415 - not on every platform
    except ImportError:
        return "asyncio"
    return "uvloop"
