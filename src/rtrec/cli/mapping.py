"""`rtrec mapping`: what a mapping makes of a sample of messages, line by line.

Rules
-----
- A line goes the way that INGEST would send it: the mapping, then the codec; which of the two refused it is said.
- At most `--limit` refused lines and as many others are kept and shown; all are counted.
- Exit codes: 0 every line became an event or is ignored, 2 the mapping has faults, 3 a line is refused.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from rtrec.cli import options
from rtrec.cli.output import Document, emit, worded
from rtrec.events.codec import Refusal, decode
from rtrec.events.mapping import Mapping
from rtrec.events.mapping_faults import MappingError
from rtrec.mapping_io import load_mapping
from rtrec.sources.events import open_events
from rtrec.sources.source import SourceError, SourceLine

OUTCOMES: Final = ("accepted", "ignored", "refused")
_JUDGES: Final = {"mapping": "mapping", "event": "checks of an event"}


@click.group("mapping")
def command() -> None:
    """Mappings of source topics into our events, and what they make of messages."""


@command.command("check")
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("sample")
@click.option(
    "--limit", type=click.IntRange(min=0), default=1_000, show_default=True,
    help="Refused lines to show at most, and as many others; all are counted.",
)  # fmt: skip
@options.as_json
def check(file: Path, sample: str, limit: int, *, as_json: bool) -> None:
    """Show what each line of a sample becomes, or why it is refused; exit code 3 if one is.

    FILE is the mapping (TOML), SAMPLE its messages as JSON Lines, plain, .gz or .zst, - for standard input. Lines are
    numbered without blank ones. A mapping with faults is exit code 2, with every fault.
    """
    try:
        mapping = load_mapping(file)
    except MappingError as error:
        faults = error.faults
        emit({"ok": False, "faults": faults}, lambda: map(worded, faults), as_json=as_json)
        raise SystemExit(2) from None
    try:
        report = checked(mapping, sample, limit)
    except SourceError as error:
        raise click.ClickException(str(error)) from error
    emit(report, lambda: _shown(report), as_json=as_json)
    if not report["ok"]:
        raise SystemExit(3)


def checked(mapping: Mapping, sample: str, limit: int) -> Document:
    """Every line's outcome, counted; the first ones in full."""
    counts: Counter[str] = Counter()
    kept: list[Document] = []
    lines = (line for batch in open_events(sample).read(0) for line in batch)
    for number, line in enumerate(lines, 1):
        outcome = _outcome(mapping, line)
        counts[outcome["outcome"]] += 1
        refused = counts["refused"]
        if (refused if outcome["outcome"] == "refused" else number - refused) <= limit:
            kept.append({"line": number} | outcome)
    return {
        "ok": counts["refused"] == 0,
        "faults": [],
        "counts": {"lines": counts.total(), **{outcome: counts[outcome] for outcome in OUTCOMES}},
        "lines": kept,
    }


def _outcome(mapping: Mapping, line: SourceLine) -> Document:
    length = None if line.headers is None else msgspec.msgpack.decode(line.headers)["length"]
    mapped = mapping.apply(line.value, length)
    if mapped is None:
        return {"outcome": "ignored"}
    if isinstance(mapped, Refusal):
        return {"outcome": "refused", "by": "mapping", "reason": mapped.reason}
    event = decode(mapped)
    if isinstance(event, Refusal):
        return {"outcome": "refused", "by": "event", "reason": event.reason, "event": msgspec.Raw(mapped)}
    fields: dict[str, Any] = msgspec.structs.asdict(event)
    return {"outcome": "accepted", "event": {name: value for name, value in fields.items() if value is not None}}


def _shown(report: Document) -> Iterator[str]:
    for one in report["lines"]:
        if one["outcome"] == "ignored":
            yield f"{one['line']:>6}  ignored"
        elif one["outcome"] == "refused":
            yield f"{one['line']:>6}  refused by the {_JUDGES[one['by']]}: {worded(one['reason'])}"
        else:
            yield f"{one['line']:>6}  {worded(msgspec.json.encode(one['event']).decode())}"
    counts = report["counts"]
    left_out = counts["lines"] - len(report["lines"])
    yield ", ".join(f"{counts[name]:,} {name}" for name in counts) + (f"; {left_out:,} not shown" if left_out else "")
