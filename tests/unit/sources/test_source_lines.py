"""Blocks become lines: same lines, positions and hashes wherever the blocks are cut."""

import hashlib
import io
from itertools import pairwise

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from rtrec.sources.lines import bounded_line, in_batches, split_lines
from rtrec.sources.source import SourceLine

LIMIT = 65_536
pieces = st.sampled_from([b"", b" ", b"\r", b"a", b'{"a": 1}', b"x" * LIMIT, b"y" * (LIMIT + 1), b"z" * 200_000, b"\n"])
contents = st.lists(pieces, max_size=12).map(b"\n".join)


def plain_reading(content: bytes) -> list[SourceLine]:
    """The definition, by the standard library's own lines."""
    lines, position = [], 0
    for whole in io.BytesIO(content):
        position += len(whole)
        line = whole.removesuffix(b"\n")
        proof = {"length": len(line), "sha256": hashlib.sha256(line).digest()}
        headers = msgspec.msgpack.encode(proof) if len(line) > LIMIT else None
        if line.strip():
            lines.append(SourceLine(line[:LIMIT], headers, position))
    return lines


@given(contents, st.lists(st.integers(0, 600_000), max_size=8), st.integers(0, 9))
def test_lines_do_not_depend_on_blocks(content: bytes, cuts: list[int], start: int) -> None:
    """However a stream arrives, its lines are those of the whole, each with the position behind its newline."""
    edges = [0, *sorted(min(cut, len(content)) for cut in cuts), len(content)]
    blocks = [content[low:high] for low, high in pairwise(edges)]
    found = [line for chunk in split_lines(blocks, start) for line in chunk]
    assert found == [line._replace(position_after=line.position_after + start) for line in plain_reading(content)]


@given(contents)
def test_every_position_resumes(content: bytes) -> None:
    """Reading on from any line's position gives exactly the lines after it."""
    lines = plain_reading(content)
    for place, line in enumerate(lines):
        rest = [one for chunk in split_lines([content[line.position_after :]], line.position_after) for one in chunk]
        assert rest == lines[place + 1 :]


def test_a_long_line_streams_by() -> None:
    """A line of 64 MB keeps its first 64 KiB, its length and its hash; no block of it is kept."""
    blocks = [b"b" * (1 << 20)] * 64
    [line] = [one for chunk in split_lines(iter(blocks), 0) for one in chunk]
    assert line.value == b"b" * LIMIT
    assert msgspec.msgpack.decode(line.headers) == {
        "length": 64 << 20,
        "sha256": hashlib.sha256(b"".join(blocks)).digest(),
    }


def test_the_bound_itself_is_not_cut() -> None:
    """65,536 bytes are an event; one more is cut."""
    assert bounded_line(b"a" * LIMIT, 7) == SourceLine(b"a" * LIMIT, None, 7)
    cut = bounded_line(b"a" * (LIMIT + 1), 7)
    assert len(cut.value) == LIMIT
    assert cut.headers is not None


def chunks_of(lines: int, width: int) -> list[list[SourceLine]]:
    return [[SourceLine(b"x", None, (n + 1) * width)] for n in range(lines)]


def test_batches_hold_at_most_5000_lines() -> None:
    """12,000 lines come as 5,000, 5,000 and 2,000, in order."""
    batches = list(in_batches(chunks_of(12_000, 2), 0, lambda: False))
    assert [len(batch) for batch in batches] == [5_000, 5_000, 2_000]
    assert [line for batch in batches for line in batch] == [line for chunk in chunks_of(12_000, 2) for line in chunk]


def test_batches_are_bounded_in_bytes() -> None:
    """Lines of 60 KB are handed on before 10 MB are together."""
    sizes = [len(batch) for batch in in_batches(chunks_of(1_000, 60_000), 0, lambda: False)]
    assert sum(sizes) == 1_000
    assert max(sizes) * 60_000 < 10_000_000


def test_an_idle_stream_is_handed_on() -> None:
    """What has come is not held back while nothing more comes."""
    assert [len(batch) for batch in in_batches(chunks_of(3, 2), 0, lambda: True)] == [1, 1, 1]
