"""Reading a data folder, also while another process works on it; appending to it; its dead letters."""

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, Self

from rtrec.ports import EventLog, NewRecord
from rtrec.runtime import journey
from rtrec.runtime.folder import CONTROL, DEAD_LETTERS, EVENTS, EXAMPLES, FILE, Folder, is_served
from rtrec.runtime.journey import HEAT
from rtrec.runtime.knowledge import Knowledge
from rtrec.runtime.pages import read_all
from rtrec.runtime.serving import Serving
from rtrec.settings import Settings
from rtrec.stages import control, dead_letters
from rtrec.stages.dead_letters import DeadLetter
from rtrec.stages.heat import newest_of
from rtrec.stages.messages import Record
from rtrec.stages.publishing import KEY, shown

CONTROL_RECORDS: Final = 5_000


def now_ms() -> int:
    """The wall clock."""
    return time.time_ns() // 1_000_000


class Reader:
    """What can be read of a folder without working on it."""

    def __init__(self, folder: Folder, settings: Settings) -> None:
        self.folder, self.settings = folder, settings
        self.serving = Serving(Knowledge(settings, folder.store, now_ms), self._append_one, self.append_lines)
        met = folder.store.offsets(journey.CONTROL).get(CONTROL, 0)
        while ahead := folder.log.read(CONTROL, 0, met, CONTROL_RECORDS):  # durable, and so in force, if not yet met
            self.serving.known.control_changed([record.value for record in ahead])
            met = ahead[-1].offset + 1

    @classmethod
    def read(cls, path: Path, settings: Settings) -> Self:
        """Open a folder that another process may work on; FileNotFoundError where there is none."""
        if not (path / FILE).exists():
            msg = f"{path}: no rtrec data here; `rtrec replay` or `rtrec up` with --data makes it"
            raise FileNotFoundError(msg)
        reader = cls(Folder(path), settings)
        reader.served = is_served(path)
        return reader

    served = False
    """Whether another process works on the folder."""

    def examples(self, number: int) -> Iterator[tuple[int, bytes]]:
        """Messages of `examples` from a number on that the log still has, with their numbers."""
        return ((record.offset, record.value) for record in read_all(self.folder.log, EXAMPLES, 0, number))

    def append(self, topic: str, records: Sequence[NewRecord], *, durable: bool = True) -> int:
        """Append records to a topic; durable (fsynced) when it returns unless told otherwise."""
        with self.folder.database.transaction(durable=durable):
            return self.folder.log.append(topic, 0, records, now_ms())

    def append_lines(self, lines: Sequence[bytes], *, durable: bool = True) -> int:
        """Append raw events to `events`; an oversized one is cut before it is stored. Returns the first offset."""
        records = [NewRecord(value, None, headers) for value, headers in map(dead_letters.cut, lines)]
        return self.append(EVENTS, records, durable=durable)

    def _append_one(self, topic: str, key: bytes, value: bytes) -> int:
        return self.append(topic, [NewRecord(value, key)])

    def rearm_learner(self) -> dict[str, Any]:
        """Tell the learner to publish again and take the present as right; the breaker as it stood before."""
        asked_ms = now_ms()
        self._append_one(CONTROL, *control.rearm_message(asked_ms))
        return {"asked_ms": asked_ms, "breaker": shown(self.folder.store.get(journey.LEARN, [KEY])[0])}

    def newest_ms(self) -> int:
        """Newest accepted event time, 0 before the first."""
        stored = self.folder.store.get(HEAT, ["meta"])[0]
        return 0 if stored is None else newest_of(stored)

    def digest(self) -> dict[str, Any]:
        """SHA-256 over canonical state, whole and by part."""
        return digest(journey.canonical(self.settings, self.folder.store.scan, self.examples))

    def dead_letters(self, limit: int, offset: int | None = None) -> list[dict[str, Any]]:
        """Dead letters from an offset on (None: from the oldest kept), in the order they came."""
        start = self.folder.log.bounds(DEAD_LETTERS, 0).start
        records = self.folder.log.read(DEAD_LETTERS, 0, max(start, offset or 0), limit)
        return [letter_json(record) for record in records]

    def requeue(self, offsets: Iterable[int]) -> dict[str, Any]:
        """Append whole dead letters to `events` again; those that were cut, or are gone, are refused with a reason."""
        return requeue(self.folder.log, offsets, lambda letter: self.append(EVENTS, [NewRecord(letter.original)]))

    def close(self) -> None:
        """Close the folder."""
        self.folder.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def digest(parts_of: Iterable[tuple[str, bytes]]) -> dict[str, Any]:
    """SHA-256 over (part, bytes), whole and by part."""
    whole, parts = hashlib.sha256(), dict[str, Any]()
    for part, data in parts_of:
        for one in (whole, parts.setdefault(part, hashlib.sha256())):
            one.update(part.encode() + len(data).to_bytes(8, "little") + data)
    return {"digest": whole.hexdigest(), "parts": {part: one.hexdigest() for part, one in sorted(parts.items())}}


def requeue(log: EventLog, offsets: Iterable[int], again: Callable[[DeadLetter], object]) -> dict[str, Any]:
    """Hand whole dead letters on to `again`; what was cut, or is gone, is refused with a reason."""
    done, refused = 0, []
    for offset in offsets:
        record = _at(log, offset)
        letter = None if record is None else dead_letters.decode(record.value)
        if letter is None or not letter.whole:
            reason = "there is no dead letter at this offset" if letter is None else "only its first 64 KiB were kept"
            refused.append({"offset": offset, "reason": reason})
            continue
        again(letter)
        done += 1
    return {"requeued": done, "refused": refused}


def _at(log: EventLog, offset: int) -> Record | None:
    bounds = log.bounds(DEAD_LETTERS, 0)
    if not bounds.start <= offset < bounds.end:
        return None
    found = next(iter(log.read(DEAD_LETTERS, 0, offset, 1)), None)
    return found if found is not None and found.offset == offset else None


def letter_json(record: Record) -> dict[str, Any]:
    """A dead letter as `rtrec deadletters list` shows it."""
    letter = dead_letters.decode(record.value)
    return {
        "offset": record.offset, "reason": letter.reason, "topic": letter.topic, "partition": letter.partition,
        "source_offset": letter.offset, "length": letter.length, "sha256": letter.sha256.hex(), "whole": letter.whole,
        "original": letter.original[:1_024].decode("utf-8", "replace"),
    }  # fmt: skip
