"""Which formats there are, and the one way to open a source."""

from collections.abc import Callable
from typing import Final

from rtrec.sources.events import open_events
from rtrec.sources.gdq import GdqSource
from rtrec.sources.obp import ObpSource
from rtrec.sources.source import Source, SourceError
from rtrec.sources.twitch import TwitchSource

FORMATS: Final[dict[str, Callable[[str], Source]]] = {
    "events": open_events,
    "gdq": GdqSource,
    "twitch": TwitchSource,
    "obp": ObpSource,
}


def open_source(format: str, path: str) -> Source:  # noqa: A002 - the name of the command's option
    """A source by its format's name; SourceError for an unknown format or a file that is not there."""
    if format not in FORMATS:
        raise SourceError(f"unknown format {format!r}; the formats are {', '.join(FORMATS)}")
    if path == "-" and format != "events":
        raise SourceError(f"standard input is read in format events only, not {format}; name a file or folder")
    return FORMATS[format](path)
