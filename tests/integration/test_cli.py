"""Commands for real: replayed events are shown, counted, refused, sent again; exit codes say how it went."""

import gzip
import json
import os
import pty
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.serving import RTREC, Served, environment, eventually

T0 = 1_700_000_000_000
TIMEOUT_S = 180


def run(*arguments: str | Path, cwd: Path, stdin: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
    command = [*RTREC, *map(str, arguments)]
    return subprocess.run(  # noqa: S603 - our own command
        command, cwd=cwd, env=environment(), input=stdin, capture_output=True, timeout=TIMEOUT_S, check=False
    )


def document(*arguments: str | Path, cwd: Path, stdin: bytes = b"") -> Any:
    done = run(*arguments, cwd=cwd, stdin=stdin)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


def lines(first: int, count: int, **more: Any) -> bytes:
    return b"".join(json.dumps(gift(n, T0 + n) | more).encode() + b"\n" for n in range(first, first + count))


def gift(number: int, ts_ms: int) -> dict[str, Any]:
    """A gift to one of three anchors; its room is opened by being named."""
    anchor_id = f"a{number % 3}"
    event = {"event_id": f"e{number}", "type": "gift", "ts_ms": ts_ms, "anchor_id": anchor_id, "live_id": "l"}
    return event | {"user_id": "u", "value": 10}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `data`: 300 gifts, 2 bad lines and a duplicate."""
    folder = tmp_path_factory.mktemp("cli")
    bad = b'{"event_id": "bad", "type": "gift"}\nnot json\n'
    (folder / "events.jsonl").write_bytes(lines(0, 300) + bad + lines(0, 1))
    done = run("replay", "events.jsonl", "--data", "data", cwd=folder)
    assert done.returncode == 0, done.stderr.decode()
    report = json.loads(done.stdout)
    assert report.pop("seconds") > 0
    assert report.pop("events_per_second") > 0
    assert report == {
        "events": 303, "accepted": 300, "rejected": 2, "duplicates": 1, "dead_letters": 2,
        "first_ts_ms": T0, "last_ts_ms": T0 + 299,
    }  # fmt: skip
    return folder


def test_a_second_run_takes_nothing_and_one_over_a_grown_file_goes_on(folder: Path) -> None:
    digest = document("digest", "--data", "data", cwd=folder)
    assert document("replay", "events.jsonl", "--data", "data", cwd=folder)["events"] == 0
    assert document("digest", "--data", "data", "--json", cwd=folder) == digest
    with (folder / "events.jsonl").open("ab") as file:
        file.write(lines(300, 5))
    assert document("replay", "events.jsonl", "--data", "data", "--json", cwd=folder)["accepted"] == 5


def test_several_sources_are_replayed_one_after_another_and_summed(tmp_path: Path) -> None:
    (tmp_path / "one.jsonl").write_bytes(lines(0, 10))
    (tmp_path / "two.jsonl.gz").write_bytes(gzip.compress(lines(10, 20)))
    report = document("replay", "one.jsonl", "two.jsonl.gz", "--data", "d", cwd=tmp_path)
    assert (report["events"], report["first_ts_ms"], report["last_ts_ms"]) == (30, T0, T0 + 29)


def test_standard_input_is_a_source_and_until_ms_an_end(tmp_path: Path) -> None:
    report = document("replay", "-", "--until-ms", str(T0 + 6), "--data", "d", cwd=tmp_path, stdin=lines(0, 20))
    assert (report["accepted"], report["last_ts_ms"]) == (7, T0 + 6)


def test_at_a_speed_events_keep_their_pace(tmp_path: Path) -> None:
    """Two seconds of events at twice their pace take about a second."""
    (tmp_path / "slow.jsonl").write_bytes(lines(0, 1) + lines(2_000, 1))
    report = document("replay", "slow.jsonl", "--speed", "2", "--data", "d", cwd=tmp_path)
    assert report["accepted"] == 2
    assert report["seconds"] >= 0.9


def test_an_absent_source_is_exit_code_1_and_makes_no_folder(tmp_path: Path) -> None:
    done = run("replay", "absent.jsonl", "--data", "d", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"absent.jsonl" in done.stderr
    assert b"Traceback" not in done.stderr
    assert not (tmp_path / "d").exists()


def test_a_file_that_shrank_is_exit_code_1_and_says_so(tmp_path: Path) -> None:
    source = tmp_path / "events.jsonl"
    source.write_bytes(lines(0, 2_000))
    document("replay", "events.jsonl", "--data", "d", cwd=tmp_path)
    source.write_bytes(lines(0, 2_000)[:100_000])
    done = run("replay", "events.jsonl", "--data", "d", cwd=tmp_path)
    assert done.returncode == 1
    assert b"events.jsonl" in done.stderr
    assert b"Traceback" not in done.stderr


def test_an_anchor_is_shown_as_of_the_newest_event_where_no_server_runs(folder: Path) -> None:
    shown = document("show", "anchor", "a1", "--data", "data", cwd=folder)
    assert shown["windows"]["gift_value"]["24h"] >= 1_000
    later = document("show", "anchor", "a1", "--at-ms", str(T0 + 7_200_000), "--data", "data", cwd=folder)
    assert (shown["as_of_ms"] >= T0 + 299, later["as_of_ms"]) == (True, T0 + 7_200_000)
    assert later["windows"]["gift_value"]["1h"] == 0


def test_a_user_is_shown(folder: Path) -> None:
    shown = document("show", "user", "u", "--data", "data", cwd=folder)
    assert shown["user_id"] == "u"
    assert shown["gift_value"]["1h"] >= 3_000


@pytest.mark.parametrize("kind", ["anchor", "user"])
def test_what_is_not_known_is_exit_code_1(folder: Path, kind: str) -> None:
    done = run("show", kind, "nobody", "--data", "data", cwd=folder)
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.decode().strip() == f"Error: no {kind} nobody"


def test_the_heat_board_is_hottest_first_and_no_longer_than_asked(folder: Path) -> None:
    board = document("hot", "--data", "data", "--n", "2", cwd=folder)
    heats = [one["heat"] for one in board["anchors"]]
    assert len(heats) == 2
    assert heats == sorted(heats, reverse=True)
    assert board["as_of_ms"] >= T0 + 299


def test_a_terminal_gets_tables(folder: Path) -> None:
    """Not JSON: a person is looking."""
    main, child = pty.openpty()
    command = [*RTREC, "hot", "--data", "data"]
    done = subprocess.run(  # noqa: S603 - our own command
        command, cwd=folder, env=environment(), stdout=child, stdin=subprocess.DEVNULL, timeout=TIMEOUT_S, check=True
    )
    assert done.returncode == 0
    os.close(child)
    shown = os.read(main, 65_536).decode()
    os.close(main)
    assert "anchor_id" in shown
    assert "│" in shown
    assert not shown.startswith("{")


def test_dead_letters_are_listed_and_sent_again(tmp_path: Path) -> None:
    """A letter that is refused again is a new dead letter; one that is whole and was mended outside is taken."""
    long = lines(0, 1, text="x" * 70_000)
    document("replay", "-", "--data", "d", cwd=tmp_path, stdin=b'{"event_id": "b"}\n' + long + lines(1, 1))
    letters = document("deadletters", "list", "--data", "d", cwd=tmp_path)["dead_letters"]
    assert [one["whole"] for one in letters] == [True, False]
    assert letters[0]["original"] == '{"event_id": "b"}'
    assert ": " in letters[0]["reason"]
    offsets = [str(one["offset"]) for one in letters]
    assert (
        document("deadletters", "list", "--offset", offsets[1], "--data", "d", cwd=tmp_path)["dead_letters"]
        == letters[1:]
    )
    refused = run("deadletters", "requeue", *offsets, "999", "--data", "d", cwd=tmp_path)
    assert refused.returncode == 1
    report = json.loads(refused.stdout)
    assert report["requeued"] == 1
    assert [str(one["offset"]) for one in report["refused"]] == [offsets[1], "999"]
    assert len(document("deadletters", "list", "--data", "d", cwd=tmp_path)["dead_letters"]) == 3
    assert document("deadletters", "requeue", "--all", "--data", "d", cwd=tmp_path) == {"requeued": 2, "refused": []}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    served = Served(tmp_path_factory.mktemp("served") / "data")
    try:
        yield served
        assert served.end() == 0
    finally:
        served.kill()


def test_a_served_folder_is_busy_for_those_who_would_work_on_it(served: Served) -> None:
    cwd = served.log.parent
    (cwd / "events.jsonl").write_bytes(lines(0, 1))
    for command in (("replay", "events.jsonl"), ("up", "--port", "0")):
        done = run(*command, "--data", "data", cwd=cwd)
        assert done.returncode == 1
        assert b"another rtrec process works on this folder" in done.stderr
        assert b"Traceback" not in done.stderr


def test_a_served_folder_can_be_looked_at_as_of_now(served: Served) -> None:
    """The commands give what the API gives."""
    cwd = served.log.parent
    now_ms = served.client.get("/v1/hot").json()["as_of_ms"]
    assert served.client.post("/v1/events", json={"events": [gift(0, now_ms)]}).json()["accepted"] == 1
    eventually(lambda: served.client.get("/v1/anchors/a0").status_code == 200)
    shown = document("show", "anchor", "a0", "--data", "data", cwd=cwd)
    assert now_ms < shown["as_of_ms"]
    asked = served.client.get(f"/v1/anchors/a0?at_ms={shown['as_of_ms']}").json()
    assert shown == asked
    assert [one["anchor_id"] for one in document("hot", "--data", "data", cwd=cwd)["anchors"]] == ["a0"]
    assert len(document("digest", "--data", "data", cwd=cwd)["digest"]) == 64


def test_a_taken_port_is_exit_code_1(served: Served, tmp_path: Path) -> None:
    port = served.url.rsplit(":", 1)[1]
    done = run("up", "--data", "d", "--port", port, cwd=tmp_path)
    assert done.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}".encode() in done.stderr
    assert not (tmp_path / "d").exists()
