"""The configuration file of a running server, looked at again whenever it changes.

Rules
-----
- Only `LIVE_SECTIONS` change while running; what else has changed is named in the log and waits for a restart.
- A file with faults changes nothing: every fault is logged, and what was in force stays.
"""

import logging
import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from rtrec.settings import LIVE_SECTIONS, Settings
from rtrec.settings_io import DEFAULT_FILE, SettingsError, load

_log = logging.getLogger("rtrec.settings")
_Stamp = tuple[int, int, int] | None


class Watched:
    """Call it now and then: it gives new settings after a change, else None.

    path: the file given with --config; None watches rtrec.toml of the working directory.
    """

    def __init__(self, path: Path | None, environ: Mapping[str, str], in_force: Settings) -> None:
        self._path, self._environ, self._in_force = path, environ, in_force
        self._file = (path or DEFAULT_FILE).absolute()
        self._seen = self._stamp()

    def __call__(self) -> Settings | None:
        """The settings to go on with, if the file has changed to the good."""
        stamp = self._stamp()
        if stamp == self._seen:
            return None
        self._seen = stamp
        try:
            loaded = load(self._path, self._environ)
        except SettingsError as error:
            _log.error("%s: not taken, because of: %s", self._file, "; ".join(error.faults))
            return None
        return self._taken(loaded)

    def _taken(self, loaded: Settings) -> Settings | None:
        live = {section: getattr(loaded, section) for section in LIVE_SECTIONS}
        live["heat"] = msgspec.structs.replace(loaded.heat, half_life=self._in_force.heat.half_life)
        merged = msgspec.structs.replace(self._in_force, **live)
        if merged != loaded:
            waiting = [name for name in loaded.__struct_fields__ if getattr(loaded, name) != getattr(merged, name)]
            _log.warning("%s: changes of %s wait for a restart", self._file, ", ".join(waiting))
        if merged == self._in_force:
            return None
        self._in_force = merged
        _log.info("%s: taken", self._file)
        return merged

    def _stamp(self) -> _Stamp:
        try:
            found = os.stat(self._file)
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino
