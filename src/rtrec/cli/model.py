"""`rtrec model`: what an operator says to the models that serve."""

from pathlib import Path

import click

from rtrec.cli import options
from rtrec.cli.output import emit, grid


@click.group("model")
def command() -> None:
    """The models that serve, and the learner's circuit breaker."""


@command.command("rearm")
@options.data_to_read
@options.config
@options.as_json
def rearm(data: Path | None, config: Path | None, *, as_json: bool) -> None:
    """Let the learner publish again, and take the present as right.

    For a circuit breaker that is open because of something that is meant to stay. It takes a second or two; where no
    server runs on the folder, the next one does it. Weights that are no numbers go back to the last that were.
    """
    from rtrec.cli.folder import reading  # noqa: PLC0415 - loads the runtime: not for help

    with reading(data, options.settings_of(config)) as reader:
        asked = reader.rearm_learner()
    breaker = asked["breaker"]
    rows = ([one["rule"], one["head"], one["figure"], one["bound"]] for one in breaker["tripped"])
    title = "the breaker is told to close; it was open for" if breaker["open"] else "the breaker was not open"
    emit(asked, lambda: [grid(title, ("rule", "head", "figure", "bound"), rows)], as_json=as_json)
