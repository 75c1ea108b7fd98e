"""The learner's snapshots in the registry: `learn/{epoch}-{offset}[.held].snapshot` under any fsspec URL.

Rules
-----
- A file is written under another name and moved to its own, so that whoever lists sees whole ones; a name is never
  written twice by one epoch with other content, for a learner at one offset has one state.
- The newest is the one of the highest offset and, among those, of the highest epoch. One that is damaged is passed
  over, with an alarm, for the one before it.
- A *held* one was made while the circuit breaker was open: learners go on from it, scorers begin with the newest other
  one, which is never pruned.
- `prune` is for the learner whose commit has just named its snapshot: it removes older ones, never newer ones, so
  that a zombie takes nothing from its successor.
"""

import logging
import re
from collections.abc import Iterator
from typing import Any, Final

from rtrec.learning.snapshot import Damaged, Snapshot, decode, encode
from rtrec.settings_cluster import Registry

FOLDER: Final = "learn"
SUFFIX: Final = ".snapshot"
HELD: Final = ".held"
_NAMED: Final = re.compile(r"\d+-\d+(\.held)?\.snapshot")
"""What else lies there is somebody else's."""
_log = logging.getLogger("rtrec.snapshots")


class Snapshots:
    """Snapshots under `registry.url`. Blocks: call it from a thread."""

    def __init__(self, registry: Registry, namespace: str = "") -> None:
        import fsspec  # noqa: PLC0415 - loads its backends

        self._files, root = fsspec.core.url_to_fs(registry.url)
        self._folder = "/".join(part for part in (root.rstrip("/"), namespace, FOLDER) if part)
        self._kept = registry.snapshots_kept

    def put(self, snapshot: Snapshot) -> str:
        """Store a snapshot; its name."""
        name = f"{snapshot.epoch:012d}-{snapshot.next_offset:016d}{HELD if snapshot.held else ''}{SUFFIX}"
        self._files.makedirs(self._folder, exist_ok=True)
        partial = f"{self._folder}/.{name}.partial"
        with self._files.open(partial, "wb") as file:
            file.write(encode(snapshot))
        self._files.mv(partial, f"{self._folder}/{name}")
        return name

    def newest(self, up_to_offset: int | None = None, *, to_serve: bool = False) -> Snapshot | None:
        """The newest whole snapshot; of those up to an offset of `examples` where one is given.

        to_serve: of those that are not held.
        """
        for name in self._names():
            if (up_to_offset is None or _place(name)[0] <= up_to_offset) and not (to_serve and _held(name)):
                try:
                    return decode(self._files.cat_file(f"{self._folder}/{name}"))
                except Damaged as damage:
                    _log.error("ALARM: snapshot %s: %s; taking the one before it", name, damage)
                except FileNotFoundError:
                    continue  # pruned meanwhile
        return None

    def prune(self, name: str) -> None:
        """Remove snapshots older than this one, but for as many as are kept and the newest that serves."""
        names = list(self._names())
        serves = next((one for one in names if not _held(one)), None)
        older = [one for one in names if _place(one) < _place(name)]
        for one in older[self._kept - 1 :]:
            if one != serves:
                self._files.rm_file(f"{self._folder}/{one}")

    def _names(self) -> Iterator[str]:
        """Newest first."""
        self._files.invalidate_cache()
        try:
            listed: list[Any] = self._files.ls(self._folder, detail=False)
        except FileNotFoundError:
            return iter(())
        names = (path.rsplit("/", 1)[-1] for path in listed)
        return iter(sorted(filter(_NAMED.fullmatch, names), key=_place, reverse=True))


def _place(name: str) -> tuple[int, int]:
    """(offset, epoch) of a snapshot's name."""
    epoch, offset = name.removesuffix(SUFFIX).removesuffix(HELD).split("-")
    return int(offset), int(epoch)


def _held(name: str) -> bool:
    return name.endswith(HELD + SUFFIX)
