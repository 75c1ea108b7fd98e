"""Embedded rtrec: the host of one data folder with everything that can be done with it."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

from prometheus_client import Counter, Gauge, Histogram

from rtrec.runtime import measure
from rtrec.runtime.folder import FolderBusy
from rtrec.runtime.host import Host
from rtrec.runtime.live import Live, Reload
from rtrec.runtime.reader import Reader
from rtrec.runtime.replay import replay
from rtrec.settings import Settings
from rtrec.sources.source import Source


class Embedded(Host):
    """One process per folder.

    >>> import tempfile
    >>> from rtrec.settings import Settings
    >>> with tempfile.TemporaryDirectory() as folder, Embedded.open(Path(folder), Settings()) as host:
    ...     _ = host.append_lines([b"not an event"])
    ...     _ = host.drain()
    ...     host.totals()["dead_letters"]
    1
    """

    _live: Live | None = None
    _measured: measure.Measured | None = None

    @staticmethod
    def read(path: Path, settings: Settings) -> Reader:  # type: ignore[override]
        """Open a folder only to read it, also while another process works on it."""
        return Reader.read(path, settings)

    def start(self, reload: Reload = lambda: None) -> None:
        """Step in a thread of its own from now on, and answer requests."""
        self._live = Live(self, reload)
        self._live.start()

    def stop(self) -> None:
        """Stop stepping, after the step at hand."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def close(self) -> None:
        """Stop, store what is only stored now and then, free the folder."""
        self.stop()
        super().close()

    def replay(
        self,
        source: Source,
        *,
        until_ms: int | None = None,
        speed: float | None = None,
        progress: Callable[[int], None] = lambda _: None,
    ) -> dict[str, Any]:
        """See `replay.replay`."""
        return replay(self, source, until_ms=until_ms, speed=speed, progress=progress)

    def collect(self, metrics: Mapping[str, Counter | Gauge | Histogram]) -> None:
        """Bring the catalogue's metrics up to date; called before a scrape."""
        self._measured = self._measured or measure.Measured()
        self._measured.collect(self, metrics)

    def show_anchor(self, anchor_id: str, at_ms: int | None = None) -> dict[str, Any] | None:
        """An anchor as of `at_ms`, by default as of the newest event."""
        self.serving.known.refresh_times()
        return self.serving.anchor(anchor_id, self.newest_ms() if at_ms is None else at_ms)

    def show_user(self, user_id: str, at_ms: int | None = None) -> dict[str, Any] | None:
        """A user as of `at_ms`, by default as of the newest event."""
        self.serving.known.refresh_times()
        return self.serving.user(user_id, at_ms or self.newest_ms())

    def hot(self, n: int, at_ms: int | None = None) -> dict[str, Any]:
        """The hottest live anchors as of `at_ms`, by default as of the newest event."""
        self.serving.known.refresh_times()
        return self.serving.hot(n, at_ms=self.newest_ms() if at_ms is None else at_ms)

    def __enter__(self) -> Self:
        return self


__all__ = ["Embedded", "FolderBusy"]
