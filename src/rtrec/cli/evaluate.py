"""`rtrec evaluate`: how well a stored log would have been predicted, live, by what it taught until then.

Rules
-----
- Every source is opened, and every combination's settings are checked, before the first is read.
- Standard input is read once: to compare runs over it, it is kept in a temporary file.
"""

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import msgspec
from rich.table import Table

from rtrec.cli import comparing, options
from rtrec.cli.output import Document, emit, grid
from rtrec.cli.replay import open_all, progress, summed
from rtrec.settings import Settings
from rtrec.sources.formats import FORMATS
from rtrec.sources.source import Source

if TYPE_CHECKING:
    from rtrec.runtime.embedded import Embedded

STREAM: Final = "-"
BESIDE: Final = ("batch", "blend", "heat_only")
FIGURES: Final = {"logloss": "logloss", "ne": "NE", "auc": "AUC", "gauc": "GAUC", "calibration": "cal"}
"""Figures and their columns: short ones, so that a row fits 80 characters."""
COMPARED: Final = ("ne", "auc", "calibration")


@click.command("evaluate")
@click.argument("sources", metavar="SOURCE...", nargs=-1, required=True)
@click.option(
    "--format", "format_", type=click.Choice(list(FORMATS)), default="events", show_default=True,
    help="What the sources are; `events` is JSON Lines, plain, .gz or .zst, - for standard input.",
)  # fmt: skip
@click.option(
    "--compare", "compared", metavar="SECTION.NAME=V1,V2", multiple=True,
    help="Run once with each value of a setting; given again, with each combination.",
)  # fmt: skip
@click.option("--until-ms", type=options.TIME, default=None, help="Stop before the first later event.")
@options.config
@options.as_json
def command(
    sources: tuple[str, ...], format_: str, compared: tuple[str, ...], until_ms: int | None, config: Path | None,
    *, as_json: bool,
) -> None:  # fmt: skip
    """How well each head is predicted on a stored log, every example before it is learned from.

    The events pass the same stages as live ones, in a store that is thrown away. Heat alone is judged beside the
    model. Logs in format obp also give an off-policy estimate of what the learnt policy would have earned.
    """
    if compared:
        choices = comparing.choices_of(compared)
        settings = comparing.settings_of_all(config, choices)
        with _kept(sources) as files:
            open_all(format_, files)
            arguments = [*files, "--format", format_, *(() if until_ms is None else ("--until-ms", str(until_ms)))]
            document = _compared(choices, settings, arguments)
        emit(document, lambda: [comparison(document["runs"])], as_json=as_json)
        return
    document = _evaluated(options.settings_of(config), open_all(format_, sources), until_ms)
    emit(document, lambda: _tables(document), as_json=as_json)


def _evaluated(settings: Settings, sources: Sequence[Source], until_ms: int | None) -> Document:
    from rtrec.cli.folder import faults_said  # noqa: PLC0415 - loads the runtime: not for help
    from rtrec.runtime.collecting import collect_rarely  # noqa: PLC0415
    from rtrec.runtime.evaluation import evaluate, heads_of  # noqa: PLC0415

    def watch(source: Source, host: "Embedded") -> AbstractContextManager[Callable[[int], None]]:
        return progress(source.path, lambda: _in_short(heads_of(host)))

    collect_rarely()
    with faults_said():
        report = evaluate(settings, sources, until_ms=until_ms, watch=watch)
    return {"heads": report.pop("heads"), **summed(report.pop("replays")), **report}


def _in_short(heads: dict[str, Any]) -> str:
    """The current figures in a line.

    >>> _in_short({"click": {"online": {"ne": 0.912, "auc": None}}})
    'click ne 0.912'
    """
    parts = []
    for name, head in heads.items():
        known = [f"{figure} {head['online'][figure]:.3g}" for figure in ("ne", "auc") if head["online"][figure]]
        parts += [f"{name} {' '.join(known)}"] if known else []
    return ", ".join(parts)


def _tables(document: Document) -> Iterator[Table]:
    """What a person reads: heads by model, then the run's own figures."""
    rows = []
    for name, head in document["heads"].items():
        rows.append((name, head["examples"], *_figures(head, ("base_rate",)), *_figures(head["online"], FIGURES)))
        beside = [(model, head[model]) for model in BESIDE if head.get(model) is not None]
        rows += [(f"· {model}", None, None, *_figures(figures, FIGURES)) for model, figures in beside]
    yield grid(
        "online model, every example judged before it was learned",
        ("head", "examples", "base rate", *FIGURES.values()),
        rows,
    )
    counted = {name: value for name, value in document.items() if not isinstance(value, dict)}
    yield grid("events", ("figure", "value"), counted.items())
    yield grid("labels", ("outcome", "count"), document["labels"].items())
    if document["dead_letter_reasons"]:
        yield grid("dead letters", ("reason", "count"), document["dead_letter_reasons"].items())
    if "off_policy" in document:
        yield _off_policy(document["off_policy"])


def _figures(of: Document, names: Iterable[str]) -> list[str | None]:
    """Figures with as many digits as say something; None for one that is not defined."""
    found = map(of.get, names)
    return [None if one is None else f"{one:.3f}" for one in found]


def _off_policy(found: Document) -> Table:
    columns = ("policy", "rate %", "low %", "high %", "effective rows")
    rows = [("logging, observed", found["logging"]), *((f"{n}, snips", one) for n, one in found["policies"].items())]
    title = f"{found['reward']}s per impression, {found['interval']}, {found['rows']:,} rows"
    return grid(title, columns, ((name, *_percent(one), round(one["effective_rows"])) for name, one in rows))


def _percent(estimate: Document) -> list[float | None]:
    bounds = (estimate[name] for name in ("rate", "low", "high"))
    return [None if one is None else 100 * one for one in bounds]


# Comparing runs


@contextmanager
def _kept(sources: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """The sources, standard input as a file."""
    if STREAM not in sources:
        yield sources
        return
    with tempfile.NamedTemporaryFile(prefix="rtrec-stdin-", suffix=".jsonl") as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
        file.flush()
        yield tuple(file.name if source == STREAM else source for source in sources)


def _compared(choices: list[comparing.Choice], settings: list[Settings], arguments: list[str]) -> Document:
    shown = [comparing.shown(one, choice) for one, choice in zip(settings, choices, strict=True)]
    names = [", ".join(f"{name}={text}" for name, text in choice.items()) for choice in choices]
    documents = comparing.run_all(settings, arguments, names, lambda line: click.echo(line, err=True))
    return {"runs": [{"settings": one} | document for one, document in zip(shown, documents, strict=True)]}


def comparison(runs: list[Document]) -> Table:
    """A row per combination, the online model's figures per head."""
    heads = list(dict.fromkeys(head for run in runs for head in run["heads"]))
    policies = list(runs[0].get("off_policy", {}).get("policies", ()))
    columns = [*runs[0]["settings"], *(f"{head} {FIGURES[figure]}" for head in heads for figure in COMPARED)]
    rows = []
    for run in runs:
        online = [run["heads"].get(head, {}).get("online", {}) for head in heads]
        rates = [_percent(run["off_policy"]["policies"][policy])[0] for policy in policies]
        chosen = [_one_word(value) for value in run["settings"].values()]
        rows.append([*chosen, *(figure for one in online for figure in _figures(one, COMPARED)), *rates])
    return grid("compared", [*columns, *(f"{policy} %" for policy in policies)], rows)


def _one_word(value: object) -> object:
    """A setting's value in a cell; lists and tables as JSON."""
    return value if isinstance(value, int | float | str) else msgspec.json.encode(value).decode()
