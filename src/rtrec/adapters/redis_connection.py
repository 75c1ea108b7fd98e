"""Connections that send a command of many arguments piece by piece.

hiredis makes one buffer of a command, as large as all its arguments. For a commit of 1.4 MB it took 4 to 6 ms, most of
them page faults of memory that is taken and given back each time; pieces of 64 KB take 0.5, and the server reads the
first while the next is made. Short commands, and pipelines of them, stay with hiredis.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from redis.connection import AbstractConnection, Connection, ConnectionPool, SSLConnection, UnixDomainSocketConnection

MANY_ARGUMENTS: Final = 64
PIECE_BYTES: Final = 1 << 16


def pieces(arguments: Iterable[bytes], count: int) -> Iterator[bytes]:
    r"""A command as Redis reads it.

    >>> list(pieces([b"GET", b"key"], 2))
    [b'*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n']
    """
    parts, size = [b"*%d\r\n" % count], 0
    for argument in arguments:
        parts += (b"$%d\r\n" % len(argument), argument, b"\r\n")
        size += len(argument)
        if size >= PIECE_BYTES:
            yield b"".join(parts)
            parts, size = [], 0
    yield b"".join(parts)


class _Pieces(AbstractConnection):
    """What differs from redis-py's own connections."""

    def send_command(self, *args: Any, **kwargs: Any) -> None:
        """Send a command, a long one in pieces."""
        if len(args) <= MANY_ARGUMENTS:
            super().send_command(*args, **kwargs)  # type: ignore[no-untyped-call]  # redis-py has not typed these
            return
        encode: Any = self.encoder.encode
        arguments = (one if one.__class__ is bytes else encode(one) for one in args)
        send: Any = self.send_packed_command
        send(pieces(arguments, len(args)), check_health=kwargs.get("check_health", True))


class _PlainConnection(_Pieces, Connection):
    """Over TCP."""


class _TlsConnection(_Pieces, SSLConnection):
    """Over TCP with TLS."""


class _UnixConnection(_Pieces, UnixDomainSocketConnection):
    """Over a socket of this machine."""


_KINDS: Final = {
    Connection: _PlainConnection, SSLConnection: _TlsConnection, UnixDomainSocketConnection: _UnixConnection,
}  # fmt: skip


class Pool(ConnectionPool):
    """redis-py's pool, of such connections."""

    def __init__(self, connection_class: type[Any] = Connection, **options: Any) -> None:
        super().__init__(connection_class=_KINDS.get(connection_class, connection_class), **options)
