"""`rtrec rebuild`: state recomputed from the log, with the stages stopped."""

from pathlib import Path

import click

from rtrec.cli import options
from rtrec.cli.output import emit, grid

STAGES = ("heat", "profile", "learn")


@click.command("rebuild")
@click.option(
    "--stage", "stages", type=click.Choice(STAGES), multiple=True, help="Which; all of them if none is named."
)
@click.option("--partial", is_flag=True, help="Go on though the log has lost its beginning.")
@options.config
@options.as_json
def command(stages: tuple[str, ...], config: Path | None, *, partial: bool, as_json: bool) -> None:
    """Recompute stages' state from their own stored input, up to where they stood.

    The stages must be stopped. Anchors come from `anchor_events`, users from `user_events` (erased ones stay
    erased), weights from `examples`. Nothing is published.
    """
    settings = options.settings_of(config)
    options.require_cluster(settings)
    from rtrec.adapters.kafka_log import KafkaLog  # noqa: PLC0415 - loads the clients: not for help
    from rtrec.runtime.cluster.rebuild import LogIncomplete, StillWorking, rebuild  # noqa: PLC0415
    from rtrec.runtime.cluster.wiring import store_of  # noqa: PLC0415

    taken: dict[str, int] = {}
    store, log = store_of(settings), KafkaLog(settings)
    try:
        for stage in stages or STAGES:
            taken |= rebuild(settings, store, log, stage, partial=partial, told=_told)
    except (StillWorking, LogIncomplete, OSError) as error:
        raise click.ClickException(str(error)) from error
    finally:
        log.close()
    emit({"messages": taken}, lambda: [grid("rebuilt", ("owner", "messages"), taken.items())], as_json=as_json)


def _told(owner: str, messages: int) -> None:
    if messages % 1_000 == 0:
        click.echo(f"{owner}: {messages:,} messages", err=True)
