"""`rtrec simulate`: a synthetic platform's events, into a file, standard output or a running API."""

import time
from pathlib import Path
from urllib.parse import urlsplit

import click
import msgspec

from rtrec.cli import options
from rtrec.settings import Settings
from rtrec.simulator.client import Client
from rtrec.simulator.simulation import Simulation
from rtrec.simulator.sinks import opened, post_events, write_lines

KAFKA_PAGE = 2_000
FILE_START_MS = 1_700_000_000_000
"""When a file's stream begins: a fixed moment, so that the same seed gives the same bytes."""


@click.command("simulate")
@click.option("--events", type=click.IntRange(min=1), default=100_000, show_default=True, help="How many events.")
@click.option("--seed", type=int, default=1, show_default=True, help="Decides everything but the times.")
@click.option(
    "--rate", type=click.FloatRange(min=0, min_open=True), default=100.0, show_default=True,
    help="About how many events a second of event time holds; to http:// also a second of yours.",
)  # fmt: skip
@click.option(
    "--to",
    "target",
    default="-",
    help="FILE (.gz packs it), http://host:port, kafka://host:port, or - for standard output.",
)
@click.option("--viewers", type=click.IntRange(min=1), default=1_000, show_default=True, help="How many viewers.")
@click.option("--anchors", type=click.IntRange(min=1), default=100, show_default=True, help="How many anchors.")
@click.option(
    "--start-ms", type=int, default=None, help="First event time; a fixed one in files, now to http:// and kafka://."
)
@options.config
def command(
    events: int,
    seed: int,
    rate: float,
    target: str,
    viewers: int,
    anchors: int,
    start_ms: int | None,
    config: Path | None,
) -> None:
    """Write a synthetic platform's events: rooms, feeds, clicks by taste, views, gifts.

    The same seed gives the same bytes in a file. Viewers click by tastes that popularity does not show, so
    that a model has something to learn.
    """
    settings = options.settings_of(config)  # checked, as by every command; a stream depends on none
    simulation = Simulation(seed, viewers, anchors, rate)
    scheme = urlsplit(target).scheme
    if scheme == "kafka":
        now_ms = time.time_ns() // 1_000_000 if start_ms is None else start_ms
        _produce(simulation, events, now_ms, target, settings)
    elif scheme == "http":
        now_ms = time.time_ns() // 1_000_000 if start_ms is None else start_ms
        _post(simulation, events, now_ms, target)
    elif "://" in target:
        raise click.UsageError(f"--to: expected FILE, -, http://… or kafka://…, got {target}")
    else:
        _write(simulation, events, FILE_START_MS if start_ms is None else start_ms, target)


def _write(simulation: Simulation, events: int, start_ms: int, path: str) -> None:
    started_s = time.monotonic()
    try:
        with opened(path) as file:
            written = write_lines(simulation.events(events, start_ms), file)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{written:,} events in {time.monotonic() - started_s:.1f} s", err=True)


def _post(simulation: Simulation, events: int, start_ms: int, url: str) -> None:
    client = Client(url)
    try:
        taken, sent = post_events(simulation.events(events, start_ms), client)
    except (OSError, RuntimeError) as error:
        raise click.ClickException(f"{url}: {error}") from error
    finally:
        client.close()
    click.echo(f"{taken:,} of {sent:,} events taken by {url}", err=True)


def _produce(simulation: Simulation, events: int, start_ms: int, url: str, settings: Settings) -> None:
    """Into the topic `events` (of `cluster.namespace`), keyed by anchor, as fast as it is acknowledged."""
    from rtrec.adapters.kafka_producer import BackgroundProducer  # noqa: PLC0415 - loads the client: not for help
    from rtrec.adapters.kafka_publisher import Message  # noqa: PLC0415
    from rtrec.runtime.pages import pages  # noqa: PLC0415

    kafka = msgspec.structs.replace(settings.kafka, bootstrap=urlsplit(url).netloc)
    started_s, sent = time.monotonic(), 0
    try:
        with BackgroundProducer(msgspec.structs.replace(settings, kafka=kafka)) as producer:
            for page in pages(simulation.events(events, start_ms), KAFKA_PAGE):
                keys = [str(event.get("anchor_id") or event.get("user_id")).encode() for event in page]
                values = [msgspec.json.encode(event) for event in page]
                producer.send_all(
                    [Message("events", None, value, None, key) for value, key in zip(values, keys, strict=True)]
                )
                sent += len(page)
    except (OSError, LookupError, RuntimeError) as error:
        raise click.ClickException(f"{url}: {error}") from error
    click.echo(f"{sent:,} events in {time.monotonic() - started_s:.1f} s taken by {url}", err=True)
