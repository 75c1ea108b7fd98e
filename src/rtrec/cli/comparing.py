"""What `rtrec evaluate --compare` is made of: combinations of settings, each a run of its own process.

Rules
-----
- A run is `rtrec evaluate` itself, under a configuration file that holds every setting: it cannot differ from a run
  that somebody starts by hand.
- At most as many runs as there are processors go side by side; when one fails the others are ended.
"""

import itertools
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from rtrec.cli import options
from rtrec.cli.output import Document
from rtrec.settings import Settings
from rtrec.settings_io import as_toml, masked

MAX_RUNS: Final = 256
_OPENING, _CLOSING = "[{", "]}"

Choice = dict[str, str]
"""`section.name` → the value's text."""


def choices_of(given: Sequence[str]) -> list[Choice]:
    """The cross product of what every `--compare` lists; wrong usage for one that is no list of values.

    >>> choices_of(["learner.alpha=0.05,0.1", "labels.policy=exit_first"])
    [{'learner.alpha': '0.05', 'labels.policy': 'exit_first'}, {'learner.alpha': '0.1', 'labels.policy': 'exit_first'}]
    """
    listed: dict[str, list[str]] = {}
    for text in given:
        name, equals, values = (part.strip() for part in text.partition("="))
        if name.count(".") != 1 or not equals or "" in split_values(values):
            raise click.UsageError(f"--compare: expected section.name=v1,v2, got {text!r}")
        if name in listed:
            raise click.UsageError(f"--compare: {name} is given twice; list all its values in one")
        listed[name] = split_values(values)
    runs = [dict(zip(listed, values, strict=True)) for values in itertools.product(*listed.values())]
    if len(runs) > MAX_RUNS:
        raise click.UsageError(f"--compare: {len(runs):,} combinations are more than {MAX_RUNS}; list fewer values")
    return runs


def split_values(text: str) -> list[str]:
    """Split at commas, but not within lists, tables or quotes.

    >>> split_values('0.1, 0.2'), split_values('["click", "gift"],["click"]'), split_values('{ a = 1, b = 2 }')
    (['0.1', '0.2'], ['["click", "gift"]', '["click"]'], ['{ a = 1, b = 2 }'])
    """
    values, depth, quote = [""], 0, ""
    for one in text:
        if quote:
            quote = "" if one == quote else quote
        elif one in "\"'":
            quote = one
        depth += (not quote and one in _OPENING) - (not quote and one in _CLOSING)
        if one == "," and not depth and not quote:
            values.append("")
        else:
            values[-1] += one
    return [value.strip() for value in values]


def settings_of_all(path: Path | None, choices: Sequence[Choice]) -> list[Settings]:
    """The settings of each run; wrong usage, before any run begins, where a name or a value is wrong."""
    return [options.settings_of(path, choice) for choice in choices]


def shown(settings: Settings, choice: Choice) -> Document:
    """The compared settings as they are in force, secrets as stars.

    >>> shown(Settings(), {"learner.alpha": "0.1"})
    {'learner.alpha': 0.1}
    """
    whole = msgspec.json.decode(msgspec.json.encode(masked(settings)))
    parts = {name: name.partition(".") for name in choice}
    return {name: whole[section][key] for name, (section, _, key) in parts.items()}


def run_all(
    runs: Sequence[Settings], arguments: Sequence[str], names: Sequence[str], said: Callable[[str], None]
) -> list[Document]:
    """The document of each run, in order. arguments: of `rtrec evaluate`. said: takes each line of progress."""
    children: list[subprocess.Popen[str]] = []
    with tempfile.TemporaryDirectory(prefix="rtrec-compare-") as folder:
        pool = ThreadPoolExecutor(min(len(runs), os.cpu_count() or 1))
        try:
            started = [
                pool.submit(_run, Path(folder) / str(k), one, arguments, name, said, children)
                for k, (one, name) in enumerate(zip(runs, names, strict=True))
            ]
            return [future.result() for future in started]
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            for child in children:
                child.kill()
            pool.shutdown()


def _run(
    place: Path, settings: Settings, arguments: Sequence[str], name: str, said: Callable[[str], None],
    children: "list[subprocess.Popen[str]]",
) -> Any:  # fmt: skip
    config, answer = place.with_suffix(".toml"), place.with_suffix(".json")
    config.write_text(as_toml(settings), encoding="utf-8")
    command = [sys.executable, "-P", "-m", "rtrec.cli", "evaluate", *arguments, "--config", str(config), "--json"]
    environ = {key: value for key, value in os.environ.items() if not key.startswith("RTREC_")}
    last = "it said nothing"
    with answer.open("wb") as out, subprocess.Popen(  # noqa: S603 - our own command
        command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.PIPE, env=environ, text=True
    ) as child:  # fmt: skip
        children.append(child)
        for last in _lines(child):
            said(f"{name}: {last}")
    if child.returncode:
        raise click.ClickException(f"the run with {name} failed: {last.removeprefix('Error: ')}")
    return msgspec.json.decode(answer.read_bytes())


def _lines(child: "subprocess.Popen[str]") -> Iterator[str]:
    assert child.stderr is not None  # noqa: S101 - a pipe was asked for
    return (line.rstrip() for line in child.stderr if line.strip())
