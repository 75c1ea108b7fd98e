"""The arguments of `redis_commit.lua`, and the class of a record's key, by which a commit's hashes are named."""

import math
from collections import defaultdict
from collections.abc import Mapping
from typing import Final

import msgspec

from rtrec.stages.effects import Writes

MAX_ARGUMENTS: Final = 1_000_000
"""Of one command; Redis closes the connection at 1,048,576."""


def split(key: str) -> tuple[str, str]:
    """A key's class and its field in the class's hash.

    >>> split("a/x/y"), split("meta"), split("/x")
    (('a', 'x/y'), ('', 'meta'), ('', '/x'))
    """
    slash = key.find("/")
    return (key[:slash], key[slash + 1 :]) if slash > 0 else ("", key)


def commit_arguments(
    epoch: int, inputs: Mapping[str, tuple[int, int]], writes: Writes
) -> tuple[list[str], list[bytes]]:
    """Classes written, and the arguments of `redis_commit.lua`."""
    puts: defaultdict[str, tuple[list[str], list[bytes]]] = defaultdict(lambda: ([], []))
    deletes: defaultdict[str, list[str]] = defaultdict(list)
    for key, value in writes.puts.items():
        class_, field = split(key)
        if value is None:
            deletes[class_].append(field)
        else:
            fields, values = puts[class_]
            fields.append(field)
            values.append(value)
    classes = sorted({*puts, *deletes})
    head = (
        epoch,
        [(topic, *span) for topic, span in inputs.items()],
        [(class_, puts[class_][0], deletes[class_]) for class_ in classes],
        _ranks({member: float(score) for member, score in writes.ranks.items() if score is not None}),
        [member for member, score in writes.ranks.items() if score is None],
    )
    arguments = [msgspec.msgpack.encode(head), *(value for class_ in classes for value in puts[class_][1])]
    if len(arguments) > MAX_ARGUMENTS:
        raise ValueError(f"a commit of {len(arguments) - 1:,} records; {MAX_ARGUMENTS - 1:,} are the most")
    return classes, arguments


def _ranks(scores: Mapping[str, float]) -> list[str]:
    """score, member, score, member, …: shortest exact decimals, which msgspec writes ten times as fast as `repr`."""
    if all(map(math.isfinite, scores.values())):
        texts = msgspec.json.encode(list(scores.values())).decode()[1:-1].split(",") if scores else []
    elif nowhere := [member for member, score in scores.items() if math.isnan(score)]:
        raise ValueError(f"no rank for {nowhere[0]!r}: NaN")
    else:
        texts = list(map(repr, scores.values()))
    flat = [""] * (2 * len(texts))
    flat[::2], flat[1::2] = texts, scores
    return flat
