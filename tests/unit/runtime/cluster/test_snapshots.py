"""Snapshots under any fsspec URL: whole or not there, newest first, damaged ones passed over, newer ones kept."""

import hashlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import pytest

from rtrec.learning.snapshot import Snapshot, encode
from rtrec.runtime.cluster.snapshots import Snapshots
from rtrec.settings_cluster import Registry

NAMESPACE = "blue-"
_numbers = iter(range(1_000))


@pytest.fixture(params=["folder", "file://", "memory://"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A registry of the test's own."""
    if request.param == "memory://":
        return f"memory://registry-{next(_numbers)}"
    return f"file://{tmp_path}/registry" if request.param == "file://" else str(tmp_path / "registry")


@pytest.fixture
def kept(url: str) -> Snapshots:
    return Snapshots(Registry(url=url, snapshots_kept=3), NAMESPACE)


def snapshot(epoch: int, offset: int, image: bytes = b"image") -> Snapshot:
    return Snapshot(epoch, offset, 7 * offset, {}, {"0": offset}, offset // 2, image, b"")


def files(url: str) -> tuple[Any, str]:
    """The file system, and the folder of snapshots."""
    system, root = fsspec.core.url_to_fs(url)
    return system, f"{root}/{NAMESPACE}/learn"


def names(url: str) -> set[str]:
    system, folder = files(url)
    return {path.rsplit("/", 1)[-1] for path in system.ls(folder, detail=False)}


def test_what_is_put_is_found_again(kept: Snapshots) -> None:
    assert kept.newest() is None
    assert kept.put(snapshot(1, 5)) == "000000000001-0000000000000005.snapshot"
    assert kept.newest() == snapshot(1, 5)


def test_another_process_finds_it(kept: Snapshots, url: str) -> None:
    """fsspec keeps listings: a snapshot of a minute ago must not hide that of now."""
    other = Snapshots(Registry(url=url), NAMESPACE)
    assert other.newest() is None
    for offset in (5, 6):
        kept.put(snapshot(1, offset))
        assert other.newest() == snapshot(1, offset)
    assert Snapshots(Registry(url=url), "green-").newest() is None


def test_the_newest_has_the_highest_offset_and_then_the_highest_epoch(kept: Snapshots) -> None:
    """A zombie that is behind comes after its successor in time."""
    for epoch, offset in ((2, 9), (3, 9), (1, 4), (1, 10_000_000_000_000_000)):
        kept.put(snapshot(epoch, offset, b"%d" % epoch))
    assert kept.newest() == snapshot(1, 10_000_000_000_000_000, b"1")
    assert kept.newest(10_000) == snapshot(3, 9, b"3")
    assert kept.newest(9) == snapshot(3, 9, b"3")
    assert kept.newest(8) == snapshot(1, 4, b"1")
    assert kept.newest(3) is None


@pytest.mark.parametrize(
    "damage", [lambda whole: whole[:-1], lambda whole: whole[:60] + b"\x00" + whole[61:], lambda _: b""]
)
def test_a_damaged_newest_one_falls_back_to_the_one_before_with_an_alarm(
    kept: Snapshots, url: str, damage: Callable[[bytes], bytes], caplog: pytest.LogCaptureFixture
) -> None:
    for offset in (5, 6):
        kept.put(snapshot(1, offset, bytes(range(200))))
    system, folder = files(url)
    with system.open(f"{folder}/000000000001-0000000000000006.snapshot", "wb") as file:
        file.write(damage(encode(snapshot(1, 6, bytes(range(200))))))
    with caplog.at_level(logging.ERROR):
        assert kept.newest() == snapshot(1, 5, bytes(range(200)))
    assert "ALARM: snapshot 000000000001-0000000000000006.snapshot" in caplog.text


def test_what_is_half_written_or_somebody_elses_is_never_listed(kept: Snapshots, url: str) -> None:
    kept.put(snapshot(1, 5))
    system, folder = files(url)
    for stray in (".000000000001-0000000000000006.snapshot.partial", "README.md", "old.snapshot", "a-b.snapshot"):
        with system.open(f"{folder}/{stray}", "wb") as file:
            file.write(b"x")
    assert kept.newest() == snapshot(1, 5)
    kept.prune("000000000001-0000000000000005.snapshot")
    assert {"README.md", "old.snapshot"} < names(url)


def test_pruning_keeps_as_many_as_configured_and_every_newer_one(kept: Snapshots, url: str) -> None:
    """A zombie's pruning takes nothing from its successor."""
    for offset in range(1, 7):
        kept.put(snapshot(1, offset))
    kept.put(snapshot(2, 9))
    kept.prune("000000000001-0000000000000006.snapshot")
    assert names(url) == {
        *(f"000000000001-{offset:016d}.snapshot" for offset in (4, 5, 6)), "000000000002-0000000000000009.snapshot"
    }  # fmt: skip


def test_a_learner_that_writes_its_snapshot_again_replaces_it(kept: Snapshots, url: str) -> None:
    """A commit that failed is tried again, with the same state at the same offset."""
    for _ in range(2):
        kept.put(snapshot(1, 5))
    assert names(url) == {"000000000001-0000000000000005.snapshot"}
    assert kept.newest() == snapshot(1, 5)


def test_one_that_is_pruned_while_it_is_looked_for_is_passed_over(
    kept: Snapshots, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scorer starts while the learner prunes."""
    for offset in (5, 6):
        kept.put(snapshot(1, offset))
    listed = list(kept._names())
    kept._files.rm_file(f"{kept._folder}/{listed[0]}")
    monkeypatch.setattr(kept, "_names", lambda: iter(listed))
    assert kept.newest() == snapshot(1, 5)


def test_a_snapshot_of_another_format_is_an_error_and_not_passed_over(kept: Snapshots, url: str) -> None:
    """Going on from an older one with an older rtrec would undo what was learned."""
    kept.put(snapshot(1, 5))
    system, folder = files(url)
    whole = encode(snapshot(1, 6))
    packed = whole[37:]
    newer = whole[:4] + b"\x09" + hashlib.sha256(b"\x09" + packed).digest() + packed
    with system.open(f"{folder}/000000000001-0000000000000006.snapshot", "wb") as file:
        file.write(newer)
    with pytest.raises(ValueError, match="use a newer rtrec"):
        kept.newest()
