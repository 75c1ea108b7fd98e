"""As much of Redis's protocol as it takes to ask whether a server is ready: one command, one plain answer."""

import socket
from collections.abc import Sequence
from typing import BinaryIO

TIMEOUT_S = 5.0


class RespError(Exception):
    """The server refused, or said what this client does not read."""


def ask(host: str, port: int, command: Sequence[str], *, password: str = "") -> str:
    """Send one command over a connection of its own; the answer as text."""
    with socket.create_connection((host, port), timeout=TIMEOUT_S) as connection, connection.makefile("rb") as answers:
        if password:
            connection.sendall(_encode(["AUTH", password]))
            _read(answers)
        connection.sendall(_encode(command))
        return _read(answers)


def _encode(command: Sequence[str]) -> bytes:
    words = [word.encode() for word in command]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


def _read(answers: BinaryIO) -> str:
    line = answers.readline().decode().rstrip("\r\n")
    kind, rest = line[:1], line[1:]
    if kind in {"+", ":"}:
        return rest
    if kind == "$" and int(rest) >= 0:
        return answers.read(int(rest) + 2)[:-2].decode()
    raise RespError(rest if kind == "-" else f"unexpected answer {line!r}")
