"""Files as blocks of bytes: plain, gzip or Zstandard by their name; every fault of reading is a SourceError."""

import gzip
import hashlib
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, Final, cast

import zstandard

from rtrec.sources.source import HEAD_BYTES, SourceError

BLOCK_BYTES: Final = 1 << 18


@contextmanager
def open_bytes(path: str) -> Iterator[BinaryIO]:
    """A file's bytes, decompressed; faults while it is open become SourceError."""
    try:
        with open(path, "rb") as raw:
            if path.endswith(".gz"):
                yield cast(BinaryIO, gzip.GzipFile(fileobj=raw))
            elif path.endswith(".zst"):
                reader = zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True, closefd=False)
                yield cast(BinaryIO, reader)
            else:
                yield raw
    except (EOFError, zlib.error, gzip.BadGzipFile, zstandard.ZstdError) as error:
        raise SourceError(f"{path}: damaged or cut short ({error}); make the file anew and replay again") from None
    except FileNotFoundError:
        raise SourceError(f"{path}: no such file; check the path") from None
    except IsADirectoryError:
        raise SourceError(f"{path}: is a folder; name a file") from None
    except OSError as error:
        raise SourceError(f"{path}: cannot be read ({error.strerror or error}); check the file") from None


def read_blocks(path: str, position: int) -> Iterator[bytes]:
    """What a file holds from a position on, in blocks of up to 256 KiB."""
    with open_bytes(path) as stream:
        reached = _skip(stream, path, position)
        if reached < position:
            raise shorter(path, reached, position, "bytes")
        while block := stream.read1(BLOCK_BYTES):  # type: ignore[attr-defined]
            yield block


def _skip(stream: BinaryIO, path: str, position: int) -> int:
    """Go to a position, or as far as there is: plain files jump, others are read."""
    if not path.endswith((".gz", ".zst")):
        return stream.seek(min(position, os.fstat(stream.fileno()).st_size))
    reached = 0
    while reached < position and (block := stream.read(min(BLOCK_BYTES, position - reached))):
        reached += len(block)
    return reached


def shorter(path: str, reached: int, position: int, unit: str) -> SourceError:
    """The error for a file that ends before the position reached in it."""
    return SourceError(
        f"{path}: shorter than what was read before ({reached} {unit} now, {position} already stored); "
        "restore the file, or replay it into another data folder"
    )


def head_of(path: str, length: int = HEAD_BYTES) -> tuple[int, str]:
    """Length and SHA-256 of a file's first `length` bytes, or of what there is."""
    with open_bytes(path) as stream:
        head = b""
        while len(head) < length and (block := stream.read(length - len(head))):
            head += block
    return len(head), hashlib.sha256(head).hexdigest()
