"""What the Redis store promises beyond the contract: its layout, large commits, paging, and what others follow."""

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rtrec.adapters.redis_client import Client, command, connect
from rtrec.adapters.redis_scripts import script
from rtrec.adapters.redis_store import PAGE_KEYS, TRIP_PAGES, RedisStore
from rtrec.ports import FollowedStore, Owner, Verdict
from rtrec.settings_cluster import Redis
from rtrec.stages.effects import Writes

OWNER = Owner("heat", 3)
FRESH = count()

any_draw = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(params=["redis_url", "redis_cluster_url"], ids=["redis", "redis-cluster"])
def client(request: pytest.FixtureRequest) -> Iterator[Client]:
    client = connect(Redis(url=request.getfixturevalue(request.param)))
    yield client
    client.close()


@pytest.fixture
def store(client: Client, namespace: str) -> RedisStore:
    return RedisStore(client, namespace)


def commit(store: RedisStore, writes: Writes, owner: Owner = OWNER) -> None:
    assert store.commit(owner, store.acquire(owner).epoch, {}, writes) is Verdict.OK


def keys_of(client: Client, tag: str) -> set[str]:
    return {key.decode() for key in client.scan_iter(match=f"{tag}*", count=1_000)}


# --- layout


def test_an_owners_keys_share_a_hash_tag_and_records_lie_by_class(
    client: Client, store: RedisStore, namespace: str
) -> None:
    puts: dict[str, bytes | None] = {"a/x": b"1", "a/x/y": b"2", "seen/1": b"3", "meta": b"4", "/odd": b"5"}
    store.commit(OWNER, store.acquire(OWNER).epoch, {"events": (0, 7)}, Writes(puts, {"x": 1.5}))
    tag = f"{{{namespace}heat:3}}"
    assert keys_of(client, tag) == {
        f"{tag}:{name}" for name in ("meta", "rank", "changed", "classes", "r:", "r:a", "r:seen")
    }
    assert command(client, "HGETALL", f"{tag}:r:a") == {b"x": b"1", b"x/y": b"2"}
    assert command(client, "HGETALL", f"{tag}:r:") == {b"meta": b"4", b"/odd": b"5"}
    meta = {b"epoch": b"1", b"commits": b"1", b"done": b"1", b"next:events": b"7"}
    assert command(client, "HGETALL", f"{tag}:meta") == meta
    assert store.get(OWNER, list(puts)) == list(puts.values())


def test_namespaces_do_not_meet(client: Client, namespace: str) -> None:
    one, other = RedisStore(client, namespace), RedisStore(client, f"{namespace}b")
    commit(one, Writes({"a/x": b"1"}, {"x": 1.0}))
    assert (list(other.scan(OWNER)), other.top(OWNER, 9), other.acquire(OWNER).epoch) == ([], [], 1)


@pytest.mark.parametrize("namespace", ["{", "a}b", "{x}"])
def test_a_namespace_cannot_break_the_hash_tag(client: Client, namespace: str) -> None:
    with pytest.raises(ValueError, match="braces"):
        RedisStore(client, namespace)


# --- commits


def test_a_commit_holds_more_than_lua_unpacks_at_once(store: RedisStore) -> None:
    n = 9_001
    keys = [f"{kind}/{i}" for i in range(n) for kind in ("a", "m")]
    commit(store, Writes({key: key.encode() for key in keys}, {str(i): float(i) for i in range(n)}))
    assert store.get(OWNER, keys) == [key.encode() for key in keys]
    assert store.top(OWNER, n) == [(str(i), float(i)) for i in reversed(range(n))]
    assert len(store.changed(OWNER, 0)[1]) == n
    commit(store, Writes(dict.fromkeys(keys[2:]), {str(i): None for i in range(1, n)}))
    assert list(store.scan(OWNER)) == [("a/0", b"a/0"), ("m/0", b"m/0")]
    assert (store.top(OWNER, n), store.changed(OWNER, -1)) == ([("0", 0.0)], (2, ["0"]))


def test_a_commit_that_no_server_would_take_is_refused_here(store: RedisStore) -> None:
    with pytest.raises(ValueError, match="a commit of 1,000,000 records; 999,999 are the most"):
        store.commit(OWNER, 1, {}, Writes(dict.fromkeys(map(str, range(1_000_000)), b"")))


def test_commits_of_several_owners_go_together_and_each_has_its_own_end(client: Client, store: RedisStore) -> None:
    owners = [Owner("heat", partition) for partition in range(5)]
    epochs = [store.acquire(owner).epoch for owner in owners]
    store.acquire(owners[1])  # somebody else has it now
    command(client, "SCRIPT", "FLUSH")  # a server that was restarted knows no script
    nowhere = Writes({"a/x": b"never"}, {"x": math.nan})
    verdicts = store.commit_many(
        [
            (owners[0], epochs[0], {"events": (0, 3)}, Writes({"a/x": b"0"})),
            (owners[1], epochs[1], {"events": (0, 3)}, Writes({"a/x": b"1"})),
            (owners[2], epochs[2], {"events": (2, 3)}, Writes({"a/x": b"2"})),
            (owners[3], epochs[3], {}, nowhere),
            (owners[4], epochs[4], {"events": (0, 3)}, Writes({"a/x": b"4"}, {"x": 1.0})),
        ]
    )
    assert [one for one in verdicts if isinstance(one, Verdict)] == [
        Verdict.OK, store.commit(owners[1], epochs[1], {}, Writes()), verdicts[2], Verdict.OK,
    ]  # fmt: skip
    assert isinstance(verdicts[3], ValueError)
    assert Verdict.OK not in verdicts[1:4]
    assert store.get_many([(owner, ["a/x"]) for owner in owners]) == [[b"0"], [None], [None], [None], [b"4"]]


def test_long_names_in_a_commit(store: RedisStore) -> None:
    names = ["é" * length for length in (15, 16, 127, 128, 32_767, 32_768)]
    commit(store, Writes({f"a/{name}": name.encode() for name in names}, dict.fromkeys(names, 1.0)))
    assert store.get(OWNER, [f"a/{name}" for name in names]) == [name.encode() for name in names]
    assert [member for member, _ in store.top(OWNER, 9)] == names


def test_a_rank_that_is_no_number_is_refused_and_nothing_is_written(store: RedisStore) -> None:
    epoch = store.acquire(OWNER).epoch
    with pytest.raises(ValueError, match="NaN"):
        store.commit(OWNER, epoch, {}, Writes({"a/x": b"1"}, {"fine": 1.0, "x": math.nan}))
    assert (list(store.scan(OWNER)), store.top(OWNER, 9)) == ([], [])


def test_offsets_are_exact_to_two_to_the_53(store: RedisStore) -> None:
    epoch, most = store.acquire(OWNER).epoch, 2**53
    assert store.commit(OWNER, epoch, {"events": (0, most - 2)}, Writes()) is Verdict.OK
    assert store.commit(OWNER, epoch, {"events": (most - 1, most)}, Writes()) is Verdict.GAP
    assert store.commit(OWNER, epoch, {"events": (most - 3, most)}, Writes()) is Verdict.OVERLAP
    assert store.commit(OWNER, epoch, {"events": (most - 2, most - 1)}, Writes()) is Verdict.OK
    assert store.offsets(OWNER) == {"events": most - 1}


def test_a_server_that_forgot_the_scripts_is_sent_them_again(client: Client, store: RedisStore) -> None:
    commit(store, Writes({"a/x": b"1"}, {"x": 1.0}))
    client.script_flush()
    commit(store, Writes({"a/x": b"2"}))
    client.script_flush()
    assert store.top(OWNER, 9) == [("x", 1.0)]
    assert store.get(OWNER, ["a/x"]) == [b"2"]


def test_two_handles_at_one_input_commit_every_range_once(client: Client, namespace: str) -> None:
    """Whoever is told OK has written its range; the other is told that it was late."""
    stores = [RedisStore(client, namespace) for _ in range(2)]
    epoch = stores[0].acquire(OWNER).epoch
    end = 300

    def work(store: RedisStore) -> list[int]:
        done = []
        while (first := store.offsets(OWNER).get("events", 0)) < end:
            writes = Writes({f"r/{first}": b"x"}, {str(first): float(first)})
            verdict = store.commit(OWNER, epoch, {"events": (first, first + 1)}, writes)
            assert verdict in {Verdict.OK, Verdict.DUPLICATE}
            done += [first] * (verdict is Verdict.OK)
        return done

    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(work, stores)
    assert sorted(one + other) == list(range(end))
    assert stores[0].changed(OWNER, -1)[0] == end
    assert [key for key, _ in stores[0].scan(OWNER)] == sorted(f"r/{i}" for i in range(end))


# --- reads


@any_draw
@given(
    keys=st.sets(st.text("ab/!*[]?\\^é", min_size=1, max_size=5), max_size=20),
    prefix=st.text("ab/!*[]?\\^é", max_size=4),
)
def test_a_scan_finds_by_any_prefix_what_a_sorted_list_would(store: RedisStore, keys: set[str], prefix: str) -> None:
    owner = Owner("scan", next(FRESH))
    commit(store, Writes({key: key.encode() for key in keys}), owner)
    expected = [(key, key.encode()) for key in sorted(keys) if key.startswith(prefix)]
    assert list(store.scan(owner, prefix)) == expected
    assert store.get(owner, sorted(keys)) == [key.encode() for key in sorted(keys)]


def test_a_scan_over_many_pages_is_whole_and_in_order(store: RedisStore) -> None:
    keys = sorted(f"{kind}/{i}" for i in range(3 * PAGE_KEYS + 7) for kind in ("a", "m", "seen"))
    commit(store, Writes({key: key.encode() * 20 for key in keys}))
    assert [key for key, _ in store.scan(OWNER)] == keys
    assert [key for key, _ in store.scan(OWNER, "seen/1")] == [key for key in keys if key.startswith("seen/1")]


def test_a_scan_holds_a_page_of_values_and_leaves_out_what_goes_meanwhile(store: RedisStore) -> None:
    keys = sorted(f"a/{i}" for i in range(2 * PAGE_KEYS))
    epoch = store.acquire(OWNER).epoch
    store.commit(OWNER, epoch, {}, Writes(dict.fromkeys(keys, b"v")))
    scan = store.scan(OWNER, "a/")
    assert next(scan) == (keys[0], b"v")
    store.commit(OWNER, epoch, {}, Writes(dict.fromkeys(keys[1:])))
    assert [key for key, _ in scan] == keys[1:PAGE_KEYS]


def test_values_of_many_owners_come_in_the_order_asked(store: RedisStore) -> None:
    owners = [Owner("heat", i) for i in range(12)]
    for owner in owners:
        commit(store, Writes({f"{kind}/{i}": f"{owner} {kind}{i}".encode() for i in range(9) for kind in "am"}), owner)
    requests = [
        (owner, [f"{kind}/{i}" for i in (7, 1, 99, 7) for kind in "ma"]) for owner in [*owners[::-1], owners[5]]
    ]
    expected = [
        [None if key.endswith("/99") else f"{owner} {key.replace('/', '')}".encode() for key in keys]
        for owner, keys in requests
    ]
    assert store.get_many(requests) == expected
    assert store.get_many([(OWNER, []), (OWNER, ["a/1"])]) == [[], [b"heat:3 a1"]]
    assert store.get_many([]) == []


def test_many_keys_are_fetched_in_pages(store: RedisStore) -> None:
    keys = [f"a/{i}" for i in range(PAGE_KEYS * (TRIP_PAGES + 1) + 3)]
    commit(store, Writes({key: key.encode() for key in keys}))
    assert store.get(OWNER, keys[::-1]) == [key.encode() for key in keys[::-1]]


@any_draw
@given(
    ranks=st.dictionaries(
        st.text("abé", min_size=1, max_size=3), st.sampled_from([0.0, -0.0, 1.5, 2.0, math.inf, -math.inf]), max_size=25
    ),
    size=st.integers(1, 9),
)
def test_equal_scores_are_by_member_over_every_page_border(
    store: RedisStore, ranks: dict[str, float], size: int
) -> None:
    owner = Owner("top", next(FRESH))
    commit(store, Writes(ranks=dict(ranks)), owner)
    whole = sorted(ranks.items(), key=lambda rank: (-rank[1], rank[0]))
    for skip in range(len(ranks) + 2):
        assert store.top(owner, size, skip) == whole[skip : skip + size]
    assert store.top(owner, 0) == []


# --- followed by others


def test_followers_read_what_changed_since_they_looked(store: RedisStore) -> None:
    followed: FollowedStore = store
    epoch = store.acquire(OWNER).epoch
    assert followed.changed(OWNER, -1) == (0, [])
    store.commit(OWNER, epoch, {}, Writes(ranks={"a": 1.0, "b": 2.0}))
    store.commit(OWNER, epoch, {}, Writes({"a/a": b"no rank"}))
    store.commit(OWNER, epoch, {}, Writes(ranks={"b": 2.0, "c": 3.0}))
    assert followed.changed(OWNER, -1) == (3, ["a", "b", "c"])
    assert followed.changed(OWNER, 1) == (3, ["b", "c"])
    assert followed.changed(OWNER, 3) == (3, [])
    store.commit(OWNER, epoch, {}, Writes(ranks={"b": None, "never": None}))
    assert followed.changed(OWNER, 0) == (4, ["a", "c"])


def test_a_refused_commit_changes_nothing_that_followers_see(store: RedisStore) -> None:
    epoch = store.acquire(OWNER).epoch
    store.commit(OWNER, epoch, {"events": (0, 5)}, Writes(ranks={"a": 1.0}))
    for used, first in ((epoch - 1, 5), (epoch, 0), (epoch, 9), (epoch, 4)):
        assert store.commit(OWNER, used, {"events": (first, first + 5)}, Writes(ranks={"a": 2.0})) is not Verdict.OK
    assert store.changed(OWNER, 0) == (1, ["a"])


def test_clear_forgets_all_but_the_epoch_and_numbers_go_on(client: Client, store: RedisStore, namespace: str) -> None:
    other = Owner("heat", 4)
    commit(store, Writes({"a/x": b"kept"}), other)
    epoch = store.acquire(OWNER).epoch
    store.commit(OWNER, epoch, {"events": (0, 5)}, Writes({"a/x": b"1", "seen/1": b"", "meta": b"2"}, {"x": 1.0}))
    before, _ = store.changed(OWNER, -1)
    store.clear(OWNER)
    assert (list(store.scan(OWNER)), store.top(OWNER, 9), store.offsets(OWNER)) == ([], [], {})
    assert keys_of(client, f"{{{namespace}{OWNER}}}") == {f"{{{namespace}{OWNER}}}:meta"}
    assert store.commit(OWNER, epoch, {}, Writes({"a/zombie": b"1"})) is Verdict.FENCED
    assert store.acquire(OWNER).epoch == epoch + 2
    number, members = store.changed(OWNER, -1)
    assert (number > before, members) == (True, [])
    store.commit(OWNER, epoch + 2, {"events": (0, 5)}, Writes(ranks={"y": 1.0}))
    assert store.changed(OWNER, number) == (number + 1, ["y"])
    assert list(store.scan(other)) == [("a/x", b"kept")]


def test_clear_waits_for_no_class_that_a_commit_added_meanwhile(
    client: Client, store: RedisStore, namespace: str
) -> None:
    """The script does nothing unless it was told every class; `clear` then asks for them again."""
    commit(store, Writes({"a/x": b"1", "m/x": b"1"}))
    tag = f"{{{namespace}{OWNER}}}"
    told = [f"{tag}:{name}" for name in ("meta", "rank", "changed", "classes", "r:a")]
    assert script("clear").run(client, told, [1]) == 0
    assert len(list(store.scan(OWNER))) == 2
