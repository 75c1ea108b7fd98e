"""Passwords, rights and certificates of the Redis store: what is let in, and what is said where it is not."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from rtrec.adapters.redis_client import connect, policy_fault
from rtrec.adapters.redis_faults import StoreRefused
from rtrec.adapters.redis_store import RedisStore
from rtrec.ports import Owner, StoreAway, Verdict
from rtrec.settings_cluster import Redis
from rtrec.stages.effects import Writes
from services.certificates import Certificates, make_certificates
from services.redis_cluster import RedisCluster
from services.redis_server import RedisServer
from tests.services import Session, start_or_skip

OWNER = Owner("heat", 0)
PASSWORD = "s3cret-of-the-test"  # noqa: S105 - a test's own
PREFIX = "ours-"


class Secured(NamedTuple):
    """A server with a password that speaks plain text and TLS."""

    server: RedisServer
    certificates: Certificates

    def url(self, user: str = f":{PASSWORD}@", *, tls: bool = False) -> str:
        return f"{'rediss' if tls else 'redis'}://{user}127.0.0.1:{self.server.port('tls' if tls else 'client')}"

    @property
    def cafile(self) -> str:
        return str(self.certificates.authority)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def secured(service_session: Session, certificates: Certificates) -> Iterator[Secured]:
    server = RedisServer(service_session.folder / "redis-secured", password=PASSWORD, tls=certificates)
    start_or_skip(server)
    yield Secured(server, certificates)
    server.stop()


def works(settings: Redis, namespace: str = "") -> bool:
    """Every kind of call is let through."""
    with connect(settings) as client:
        store = RedisStore(client, namespace)
        assert policy_fault(client) is None
        store.clear(OWNER)
        epoch = store.acquire(OWNER).epoch
        records = {f"a/{i:03}": b"1" * 1_000 for i in range(200)}
        writes = Writes(dict(records), {"x": 0.1})
        assert store.commit(OWNER, epoch, {"events": (0, 5)}, writes) is Verdict.OK
        assert dict(store.scan(OWNER)) == records
        assert store.get_many([(OWNER, ["a/000"]), (Owner("heat", 1), ["a/000"])]) == [[b"1" * 1_000], [None]]
        return store.top(OWNER, 9) == [("x", 0.1)]


# --- passwords and rights


def test_the_password_lets_in(secured: Secured) -> None:
    assert works(Redis(url=secured.url()))


@pytest.mark.parametrize("user", ["", ":wrong@", "nobody:wrong@"])
def test_without_the_password_the_store_is_refused_and_no_password_is_told(secured: Secured, user: str) -> None:
    with pytest.raises(StoreRefused, match=r"redis at 127\.0\.0\.1:\d+ refuses us .*redis\.url") as caught:
        connect(Redis(url=secured.url(user)))
    assert "wrong" not in str(caught.value).replace("WRONGPASS", "")


def test_a_password_changed_meanwhile_is_refused_not_away(secured: Secured) -> None:
    """Open connections go on; the next one is refused, by reads as by commits."""
    secured.server.ask("ACL", "SETUSER", "rotated", "on", ">old", "~*", "+@all")
    with connect(Redis(url=secured.url("rotated:old@"))) as client:
        store = RedisStore(client)
        epoch = store.acquire(OWNER).epoch
        secured.server.ask("ACL", "SETUSER", "rotated", "resetpass", ">new")
        secured.server.ask("CLIENT", "KILL", "USER", "rotated")
        with pytest.raises(StoreRefused):
            store.get(OWNER, ["a/x"])
        with pytest.raises(StoreRefused):
            store.commit(OWNER, epoch, {}, Writes())


def test_a_user_needs_no_rights_beyond_our_keys_and_these_commands(secured: Secured) -> None:
    """The list that docs may give to operators."""
    secured.server.ask(
        "ACL", "SETUSER", "least", "on", ">pass", f"~{{{PREFIX}*", "-@all", "+@hash", "+@sortedset", "+@set",
        "+eval", "+evalsha", "+unlink", "+info", "+ping", "+cluster|slots",
    )  # fmt: skip
    assert works(Redis(url=secured.url("least:pass@")), PREFIX)
    with connect(Redis(url=secured.url("least:pass@"))) as client:
        store = RedisStore(client, "theirs-")
        with pytest.raises(StoreRefused, match="permission"):
            store.get(OWNER, ["a/x"])
        with pytest.raises(StoreRefused, match="permission"):
            store.acquire(OWNER)


# --- TLS


def test_tls_with_the_authoritys_file(secured: Secured) -> None:
    assert works(Redis(url=secured.url(tls=True), cafile=secured.cafile))


def test_a_certificate_of_nobody_we_trust_is_refused(secured: Secured, tmp_path: Path) -> None:
    other = make_certificates(tmp_path / "other")
    for cafile in ("", str(other.authority)):
        with pytest.raises(StoreRefused, match=r"not trusted \(redis\.cafile\)"):
            connect(Redis(url=secured.url(tls=True), cafile=cafile))


def test_a_certificate_for_another_name_is_refused(secured: Secured) -> None:
    """The certificate names 127.0.0.1 and localhost; 127.1 is the same place by another name."""
    url = secured.url(tls=True).replace("127.0.0.1", "127.1")
    with pytest.raises(StoreRefused, match="not valid for"):
        connect(Redis(url=url, cafile=secured.cafile))


def test_the_authoritys_file_is_never_left_unused(secured: Secured) -> None:
    with pytest.raises(ValueError, match=re.escape("write rediss://")):
        connect(Redis(url=secured.url(), cafile=secured.cafile))


def test_speaking_plain_text_to_tls_or_tls_to_plain_text_ends_and_names_the_place(secured: Secured) -> None:
    plain, tls = secured.server.port("client"), secured.server.port("tls")
    for url, cafile in (
        (f"rediss://127.0.0.1:{plain}", secured.cafile),
        (f"redis://127.0.0.1:{tls}", ""),
    ):
        with pytest.raises(StoreAway, match=r"redis at 127\.0\.0\.1:"):
            connect(Redis(url=url, cafile=cafile, timeout_ms=2_000))


def test_a_cluster_with_password_and_tls(service_session: Session, certificates: Certificates) -> None:
    """Every node is spoken to with TLS, not only the one that the URL names."""
    cluster = RedisCluster(
        service_session.folder / "cluster-secured",
        directives={"tls-cluster": "yes", "tls-replication": "yes"},
        password=PASSWORD,
        tls=certificates,
    )
    start_or_skip(cluster)
    try:
        settings = Redis(url=cluster.tls_url, cafile=str(certificates.authority))
        with connect(settings) as client:
            store = RedisStore(client)
            owners = [Owner("heat", i) for i in range(16)]
            assert len({client.get_node_from_key(f"{{{owner}}}").name for owner in owners}) == len(cluster.nodes)
            for owner in owners:
                assert store.commit(owner, store.acquire(owner).epoch, {}, Writes({"a/x": b"1"})) is Verdict.OK
        assert works(settings)
        with pytest.raises(StoreRefused):
            connect(Redis(url=cluster.tls_url.replace(PASSWORD, "wrong"), cafile=str(certificates.authority)))
    finally:
        cluster.stop()
