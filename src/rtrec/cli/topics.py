"""`rtrec topics`: the topics of a cluster."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rtrec.cli import options
from rtrec.cli.output import emit, grid

if TYPE_CHECKING:
    from rich.console import RenderableType

    from rtrec.adapters.kafka_topics import TopicReport
    from rtrec.settings import Settings


@click.group("topics")
def command() -> None:
    """The topics of a cluster: make what is missing, see what stands otherwise."""


@command.command("create")
@click.option("--dry-run", is_flag=True, help="Ask the brokers whether they would, and make nothing.")
@options.config
@options.as_json
def create(config: Path | None, *, dry_run: bool, as_json: bool) -> None:
    """Make every topic that is missing, with its partitions, retention and compaction.

    A topic that stands is never changed. What it has otherwise than intended is listed; exit code 1 if the stages
    cannot work with it, or a topic could not be made.
    """
    reports = _ensured(options.settings_of(config), dry_run=dry_run)
    ok = all(report.ok for report in reports)
    document = {"ok": ok, "dry_run": dry_run, "topics": [_described(report) for report in reports]}
    emit(document, lambda: _shown(reports), as_json=as_json)
    if not ok:
        raise SystemExit(1)


def _ensured(settings: "Settings", *, dry_run: bool) -> "list[TopicReport]":
    from rtrec.adapters.kafka_faults import KafkaAway, KafkaRefused, wording  # noqa: PLC0415 - loads the client: not for help
    from rtrec.adapters.kafka_topics import admin_client, ensure  # noqa: PLC0415

    if not settings.kafka.bootstrap:
        raise click.UsageError("no cluster: name its brokers as kafka.bootstrap, or as RTREC_KAFKA=host:port")
    try:
        with wording(settings.kafka.bootstrap), admin_client(settings.kafka) as admin:
            return ensure(settings, admin, dry_run=dry_run)
    except (KafkaAway, KafkaRefused) as error:
        raise click.ClickException(str(error)) from error


def _described(report: "TopicReport") -> dict[str, object]:
    differences = [one._asdict() for one in report.differences]
    return {**report._asdict(), "differences": differences, "ok": report.ok}


def _shown(reports: "Iterable[TopicReport]") -> "Iterator[RenderableType]":
    yield grid(
        "topics", ("topic", "partitions", "status"), ([one.topic, one.partitions, one.status] for one in reports)
    )
    for report in reports:
        if report.fault:
            yield f"{report.topic}: {report.fault}"
        for one in report.differences:
            weight = "must be" if one.fatal else "would be"
            yield f"{report.topic}: {one.what} is {one.found}, {weight} {one.wanted}"
