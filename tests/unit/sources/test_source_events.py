"""Format `events`: JSON Lines from files of three kinds and from streams."""

import gzip
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from rtrec.events.schema import Event
from rtrec.sources.formats import open_source
from rtrec.sources.source import Source, SourceError, SourceLine, require_same

ReadAll = Callable[..., list[SourceLine]]
DecodeAll = Callable[[list[SourceLine]], list[Event]]
PACK: dict[str, Callable[[bytes], bytes]] = {
    ".jsonl": bytes,
    ".jsonl.gz": gzip.compress,
    ".jsonl.zst": zstandard.compress,
}


def lines_from(first: int, last: int) -> bytes:
    template = '{{"event_id":"e{n}","type":"like","ts_ms":{ts},"anchor_id":"a","user_id":"u"}}\n'
    return "".join(template.format(n=n, ts=1_700_000_000_000 + n) for n in range(first, last)).encode()


@pytest.fixture(params=list(PACK))
def packed(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[bytes], Path]:
    """Writes content as a file of each kind."""
    path = tmp_path / f"log{request.param}"

    def write(content: bytes) -> Path:
        path.write_bytes(PACK[request.param](content))
        return path

    return write


def test_every_line_is_an_event(packed: Callable[[bytes], Path], read_all: ReadAll, decode_all: DecodeAll) -> None:
    """All lines come, in order, blank ones left out, the last one without its newline too."""
    content = b"\n" + lines_from(0, 7_000) + b"\r\n  \n" + lines_from(7_000, 7_001).rstrip()
    lines = read_all(open_source("events", str(packed(content))))
    assert [event.event_id for event in decode_all(lines)] == [f"e{n}" for n in range(7_001)]
    assert lines[-1].position_after == len(content)


def test_every_position_resumes(packed: Callable[[bytes], Path], read_all: ReadAll) -> None:
    """A second run from any line's position reads the lines after it and no other."""
    source = open_source("events", str(packed(lines_from(0, 40))))
    lines = read_all(source)
    assert len(lines) == 40
    for place, line in enumerate(lines):
        assert read_all(source, line.position_after) == lines[place + 1 :]


def test_a_grown_file_goes_on(packed: Callable[[bytes], Path], read_all: ReadAll, decode_all: DecodeAll) -> None:
    """A file that got longer is the same file, and only what is new is read."""
    before = open_source("events", str(packed(lines_from(0, 30))))
    head, end = before.head(), read_all(before)[-1].position_after
    after = open_source("events", str(packed(lines_from(0, 50))))
    require_same(after, *head)
    assert [event.event_id for event in decode_all(read_all(after, end))] == [f"e{n}" for n in range(30, 50)]


def test_appended_gzip_and_zstd_parts_are_read(tmp_path: Path, read_all: ReadAll) -> None:
    """A packed log grows by whole parts put behind it; both are read."""
    for suffix in (".jsonl.gz", ".jsonl.zst"):
        path = tmp_path / f"log{suffix}"
        path.write_bytes(PACK[suffix](lines_from(0, 3)) + PACK[suffix](lines_from(3, 5)))
        assert len(read_all(open_source("events", str(path)))) == 5


def test_a_shorter_file_is_an_error(packed: Callable[[bytes], Path], read_all: ReadAll) -> None:
    """A position beyond the end is never taken for the end."""
    end = read_all(open_source("events", str(packed(lines_from(0, 30)))))[-1].position_after
    source = open_source("events", str(packed(lines_from(0, 29))))
    with pytest.raises(SourceError, match="shorter than what was read before"):
        read_all(source, end)


def test_another_file_is_an_error(packed: Callable[[bytes], Path]) -> None:
    """A path that holds another beginning is not gone on with, one that is only shorter neither."""
    head = open_source("events", str(packed(lines_from(0, 30)))).head()
    for other in (lines_from(1, 31), lines_from(0, 20)):
        source = open_source("events", str(packed(other)))
        assert not source.matches(*head)
        with pytest.raises(SourceError, match="another file than the one read before"):
            require_same(source, *head)


def test_the_head_is_64_kib_of_content(packed: Callable[[bytes], Path]) -> None:
    """Beyond 64 KiB a change does not make another file; packing does not change the head."""
    content = lines_from(0, 2_000)
    length, digest = open_source("events", str(packed(content))).head()
    assert length == 65_536
    assert open_source("events", str(packed(content[:70_000]))).head() == (length, digest)


def test_an_oversized_line_does_not_stop_the_rest(packed: Callable[[bytes], Path], read_all: ReadAll) -> None:
    """A line of 10 MB arrives cut, the events around it whole."""
    source = open_source("events", str(packed(lines_from(0, 1) + b"x" * 10_000_000 + b"\n" + lines_from(1, 2))))
    lines = read_all(source)
    assert [(len(line.value) > 65_000, line.headers is not None) for line in lines] == [
        (False, False),
        (True, True),
        (False, False),
    ]
    assert read_all(source, lines[1].position_after) == lines[2:]


def test_a_damaged_archive_is_an_error(tmp_path: Path, read_all: ReadAll) -> None:
    """A gzip file cut short, and a file that is no archive, say so."""
    cut = tmp_path / "cut.jsonl.gz"
    cut.write_bytes(gzip.compress(lines_from(0, 5_000))[:-20])
    for path in (cut, tmp_path / "no.jsonl.gz", tmp_path / "no.jsonl.zst"):
        if path != cut:
            path.write_bytes(lines_from(0, 3))
        with pytest.raises(SourceError, match="damaged or cut short"):
            read_all(open_source("events", str(path)))


def test_faults_of_naming_are_errors(tmp_path: Path) -> None:
    """A missing file, a folder, an unknown format, and standard input in another format say what to do."""
    for name, path, message in [
        ("events", str(tmp_path / "none.jsonl"), "no such file"),
        ("events", str(tmp_path), "is a folder"),
        ("csv", str(tmp_path), "the formats are events, gdq, twitch"),
        ("gdq", "-", "format events only"),
        ("gdq", str(tmp_path), "no such file"),
        ("twitch", str(tmp_path), "format twitch reads"),
    ]:
        with pytest.raises(SourceError, match=message):
            open_source(name, path)


def test_a_relative_path_is_kept_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The path that a position is kept under does not depend on where a command runs."""
    (tmp_path / "log.jsonl").write_bytes(lines_from(0, 1))
    monkeypatch.chdir(tmp_path)
    assert open_source("events", "log.jsonl").path == str(tmp_path / "log.jsonl")


@pytest.mark.timeout(30)
def test_standard_input_is_read_as_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines of a stream arrive while it is still open; it has no position and no head."""
    read_end, write_end = os.pipe()
    with os.fdopen(read_end) as stdin, os.fdopen(write_end, "wb", buffering=0) as writer:
        monkeypatch.setattr("sys.stdin", stdin)
        source: Source = open_source("events", "-")
        assert source.path == "-"
        assert source.head()[0] == 0
        assert source.matches(*source.head())
        writer.write(lines_from(0, 2))
        batches = source.read(99)
        assert len(next(batches)) == 2
        writer.write(lines_from(2, 3))
        writer.close()
        assert [len(batch) for batch in batches] == [1]


def test_a_pipe_is_a_stream(tmp_path: Path, read_all: ReadAll) -> None:
    """A named pipe is read once, to its end."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(lines_from(0, 9),))
    writer.start()
    assert len(read_all(open_source("events", str(path)))) == 9
    writer.join()
