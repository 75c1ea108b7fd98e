"""The state store in Redis: records by owner, a fenced commit in one script, a ranking per owner.

Layout
------
Every key of an owner has the hash tag `{NAMESPACEstage:partition}`, so that in a cluster a commit is one node's:

- `…:meta`     hash: `epoch`, `commits` (how many), `done` (the same, see below), `next:TOPIC` (an input's offset);
- `…:rank`     sorted set: the ranking;
- `…:changed`  sorted set: member → number of the commit that last wrote its rank;
- `…:r:CLASS`  hash of records: the key "a/x" is field "x" of class "a", a key without "/" is a field of class "";
- `…:classes`  set of the classes, of which there are to be few.

Hashes instead of one key per record: loading "seen/" walks over nothing but it, while `SCAN` walks over every key of
every owner on the node; a commit names a handful of keys, however many records it writes; and 100,000 records of 800
bytes took 970 bytes each in a hash, 987 as keys of their own (Redis 7.0; in a cluster 976 and 1,003).

Rules
-----
- Numbers are exact to 2^53; a rank may be anything but NaN.
- Reads are repeated after a broken connection, as one is after a restart; commits, leases and `clear` are not.
- `get` is of one moment for keys of one class and page (`PAGE_KEYS`); a scan is of no one moment.
- Nothing grows with the state but names: a scan holds every name that it is about to read, and a page of values.

Durability
----------
An append-only file holds a commit as a transaction. A crash may cut the file inside one. Redis (7.0 was seen to) drops
the half command at the end, but leaves the half transaction in the file and appends to it: at the *next* restart it is
carried out with the next transaction, and what single commands wrote between them may be lost. `redis-check-aof --fix`
before every start cuts the file where the transaction began, which is right; newer releases of Valkey do it themselves.
Where nobody did, `commits` and `done` differ in an owner that was hit and not committed to since, and `acquire` raises
`StoreTorn`.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Final, TypeVar

import redis
from redis.backoff import ConstantBackoff
from redis.exceptions import ConnectionError as BrokenConnection
from redis.exceptions import RedisClusterException, RedisError
from redis.retry import Retry

from rtrec.adapters.redis_arguments import commit_arguments, split
from rtrec.adapters.redis_client import Client, command, place
from rtrec.adapters.redis_faults import StoreTorn, is_demoted, known
from rtrec.adapters.redis_scripts import script
from rtrec.ports import Commit, Lease, Owner, Verdict
from rtrec.stages.effects import Writes

PAGE_KEYS: Final = 500
TRIP_PAGES: Final = 8
"""Most pages in one round trip: 4,000 records, 4 MB of 1 KB each."""
_NEXT: Final = "next:"
_READS: Final = Retry(ConstantBackoff(0.01), 2, (BrokenConnection,))

T = TypeVar("T")
Page = tuple[str, list[str], list[tuple[int, int]]]
"""A hash, its fields, and where in the answer each value goes: (request, key)."""


class RedisStore:
    """`ports.FollowedStore` over `redis_client.connect`. Any thread may call any method."""

    def __init__(self, client: Client, namespace: str = "") -> None:
        if set("{}") & set(namespace):
            raise ValueError(f"a namespace has no braces: {namespace!r}")
        self._client = client
        self._namespace = namespace
        self._where = (
            "redis cluster" if isinstance(client, redis.RedisCluster) else place(client.get_connection_kwargs())
        )

    def acquire(self, owner: Owner) -> Lease:
        """Take an owner over: a new epoch, and where its inputs stand. `StoreTorn` where a commit is there in part."""
        with self._faults():
            flat = script("acquire").run(self._client, [self._key(owner, "meta")])
        meta = dict(zip(flat[::2], flat[1::2], strict=True))
        if meta.get(b"commits") != meta.get(b"done"):
            raise StoreTorn(
                f"{self._where} has loaded a part of a commit of {owner}, from an append-only file that a crash had "
                "cut: rebuild it, and run `redis-check-aof --fix` before each start"
            )
        return Lease(int(meta[b"epoch"]), _offsets(meta))

    def offsets(self, owner: Owner) -> Mapping[str, int]:
        """Where each of an owner's inputs stands."""
        return _offsets(self._read(lambda: command(self._client, "HGETALL", self._key(owner, "meta"))))

    def commit(self, owner: Owner, epoch: int, inputs: Mapping[str, tuple[int, int]], writes: Writes) -> Verdict:
        """Write records and offsets in one script, or nothing."""
        words = self._commit_words(owner, epoch, inputs, writes)
        with self._faults():
            answer = script("commit").run(self._client, *words)
        return self._verdict(answer)

    def commit_many(self, commits: Sequence[Commit]) -> list[Verdict | Exception]:
        """As the port says; in one round trip where one server has all owners."""
        if len(commits) == 1 or not isinstance(self._client, redis.Redis):
            return [_tried(partial(self.commit, *one)) for one in commits]
        asked = [_tried(partial(self._commit_words, *one)) for one in commits]
        with self._faults():
            sent = [one for one in asked if not isinstance(one, Exception)]
            found = iter(script("commit").run_many(self._client, sent))
        return [one if isinstance(one, Exception) else _tried(partial(self._verdict, next(found))) for one in asked]

    def get(self, owner: Owner, keys: Sequence[str]) -> list[bytes | None]:
        """Values in the order of the keys."""
        return self.get_many([(owner, keys)])[0]

    def get_many(self, requests: Sequence[tuple[Owner, Sequence[str]]]) -> list[list[bytes | None]]:
        """`get` for several owners, in one round trip to each node for up to `TRIP_PAGES` pages."""
        values: list[list[bytes | None]] = [[None] * len(keys) for _, keys in requests]
        pages = list(self._pages(requests))
        for first in range(0, len(pages), TRIP_PAGES):
            trip = pages[first : first + TRIP_PAGES]
            for (_, _, places), found in zip(trip, self._fetch(trip), strict=True):
                for (request, number), value in zip(places, found, strict=True):
                    values[request][number] = value
        return values

    def scan(self, owner: Owner, prefix: str = "") -> Iterator[tuple[str, bytes]]:
        """As the port says; a record that goes while the scan is under way may be left out."""
        names = sorted({name for one, start in self._classes(owner, prefix) for name in self._names(owner, one, start)})
        for first in range(0, len(names), PAGE_KEYS):
            page = names[first : first + PAGE_KEYS]
            for name, value in zip(page, self.get(owner, page), strict=True):
                if value is not None:
                    yield name, value

    def top(self, owner: Owner, limit: int, skip: int = 0) -> list[tuple[str, float]]:
        """A page of the ranking, of one moment."""
        if limit <= 0:
            return []
        flat = self._read(lambda: script("top").run(self._client, [self._key(owner, "rank")], [skip, limit]))
        return [(member.decode(), float(score)) for member, score in zip(flat[::2], flat[1::2], strict=True)]

    def changed(self, owner: Owner, since: int) -> tuple[int, list[str]]:
        """As the port says."""
        return self.changed_many([(owner, since)])[0]

    def changed_many(self, requests: Sequence[tuple[Owner, int]]) -> list[tuple[int, list[str]]]:
        """As the port says; a number is read first, so that a commit in between is named again next time."""
        commands = [
            words
            for owner, since in requests
            for words in (
                ("HGET", self._key(owner, "meta"), "commits"),
                ("ZRANGEBYSCORE", self._key(owner, "changed"), f"({since}", "+inf"),
            )
        ]
        found = self._read(lambda: self._pipelined(commands))
        return [
            (int(commits or 0), [member.decode() for member in members])
            for commits, members in zip(found[::2], found[1::2], strict=True)
        ]

    def clear(self, owner: Owner) -> None:
        """As the port says; whoever holds the owner is fenced off."""
        own = self._own_keys(owner)
        cleared = 0
        while not cleared:
            classes = self._read(lambda: command(self._client, "SMEMBERS", own[-1]))
            keys = [*own, *(self._hash(owner, one.decode()) for one in classes)]
            with self._faults():
                cleared = script("clear").run(self._client, keys, [len(classes)])

    def _key(self, owner: Owner, name: str) -> str:
        return f"{{{self._namespace}{owner}}}:{name}"

    def _hash(self, owner: Owner, class_: str) -> str:
        return self._key(owner, f"r:{class_}")

    def _own_keys(self, owner: Owner) -> list[str]:
        return [self._key(owner, name) for name in ("meta", "rank", "changed", "classes")]

    def _commit_words(
        self, owner: Owner, epoch: int, inputs: Mapping[str, tuple[int, int]], writes: Writes
    ) -> tuple[list[str], list[bytes]]:
        """Keys and arguments of `redis_commit.lua`."""
        classes, arguments = commit_arguments(epoch, inputs, writes)
        return [*self._own_keys(owner), *(self._hash(owner, one) for one in classes)], arguments

    def _verdict(self, answer: bytes | Exception) -> Verdict:
        with self._faults():
            if isinstance(answer, Exception):
                raise answer
        return Verdict(answer.decode())

    def _pages(self, requests: Sequence[tuple[Owner, Sequence[str]]]) -> Iterator[Page]:
        """Requested keys by the hash they are in, at most `PAGE_KEYS` together."""
        for request, (owner, keys) in enumerate(requests):
            fields: defaultdict[str, list[str]] = defaultdict(list)
            places: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
            for number, key in enumerate(keys):
                class_, field = split(key)
                fields[class_].append(field)
                places[class_].append((request, number))
            for class_, named in fields.items():
                for first in range(0, len(named), PAGE_KEYS):
                    page = slice(first, first + PAGE_KEYS)
                    yield self._hash(owner, class_), named[page], places[class_][page]

    def _fetch(self, pages: Sequence[Page]) -> list[list[bytes | None]]:
        commands = [("HMGET", hash_, *fields) for hash_, fields, _ in pages]
        return self._read(lambda: self._pipelined(commands))

    def _pipelined(self, commands: Sequence[tuple[str, ...]]) -> list[Any]:
        """Answers to commands that go out together."""
        if len(commands) == 1:
            return [command(self._client, *commands[0])]
        with self._client.pipeline(transaction=False) as pipeline:
            for words in commands:
                command(pipeline, *words)
            return pipeline.execute()

    def _classes(self, owner: Owner, prefix: str) -> Iterable[tuple[str, str]]:
        """Classes that may hold keys with this prefix, each with the prefix of their fields."""
        class_, field = split(prefix)
        yield class_, field
        if not class_ and not field.startswith("/"):
            known_classes = self._read(lambda: command(self._client, "SMEMBERS", self._key(owner, "classes")))
            yield from ((one.decode(), "") for one in known_classes if one and one.decode().startswith(prefix))

    def _names(self, owner: Owner, class_: str, start: str) -> Iterator[str]:
        """Keys of a class whose field begins with `start`, in no order; some twice where the hash grows meanwhile."""
        hash_, match = self._hash(owner, class_), ("MATCH", f"{_literally(start)}*") if start else ()
        lead = f"{class_}/" if class_ else ""
        cursor = 0
        while True:
            words = ("HSCAN", hash_, cursor, "COUNT", PAGE_KEYS, *match)
            cursor, page = self._read(partial(command, self._client, *words))
            yield from (f"{lead}{field.decode()}" for field in page)
            if cursor == 0:
                return

    def _read(self, call: Callable[[], T]) -> T:
        """Do what may be done twice."""
        with self._faults():
            return _READS.call_with_retry(call, lambda _: None)

    @contextmanager
    def _faults(self) -> Iterator[None]:
        """Errors as callers know them."""
        try:
            yield
        except (RedisError, RedisClusterException) as error:
            if is_demoted(error) and isinstance(self._client, redis.Redis):
                # The name may lead to the new primary by now, but open connections do not.
                self._client.connection_pool.disconnect(inuse_connections=False)
            raise known(error, self._where) or error from error


def _tried(call: Callable[[], T]) -> T | Exception:
    """The answer, or the error in its place."""
    try:
        return call()
    except Exception as error:  # noqa: BLE001 - whoever asked is told
        return error


def _offsets(meta: Mapping[bytes, bytes]) -> dict[str, int]:
    lead = _NEXT.encode()
    return {name.removeprefix(lead).decode(): int(at) for name, at in meta.items() if name.startswith(lead)}


def _literally(text: str) -> str:
    """A pattern that matches the text alone."""
    return "".join(f"\\{one}" if one in "*?[]\\^" else one for one in text)
