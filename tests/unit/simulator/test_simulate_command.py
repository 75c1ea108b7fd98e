"""`rtrec simulate`: the same seed gives the same bytes; an API gets every event, also over a hung-up connection."""

import gzip
import hashlib
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from rtrec.cli.simulate import command
from rtrec.simulator.client import ApiError, Client
from rtrec.simulator.pace import Fields


@pytest.mark.parametrize("name", ["events.jsonl", "events.jsonl.gz"])
def test_the_same_seed_gives_the_same_bytes_whatever_the_file_is_called(tmp_path: Path, name: str) -> None:
    files = [tmp_path / name, tmp_path / f"other-{name}"]
    for file in files:
        assert CliRunner().invoke(command, ["--events", "500", "--seed", "9", "--to", str(file)]).exit_code == 0
    assert files[0].read_bytes() == files[1].read_bytes()
    text = gzip.decompress(files[0].read_bytes()) if name.endswith(".gz") else files[0].read_bytes()
    assert len(text.splitlines()) == 500


@pytest.mark.parametrize(
    ("arguments", "sha256"),
    [
        ("--seed 1 --events 2000", "ce1975e0511b8bdbc21f259b2f4133e2776bfecf5e775047b7f5cc6e7eb680f0"),
        (
            "--seed 4 --viewers 60 --anchors 12 --rate 400 --events 3000",
            "174c28d22cb38ab4903bd502d2019175667ba9d509f26db5d01127fb01e05e7c",
        ),
    ],
)
def test_a_seed_gives_the_bytes_it_gave_before_there_were_conditions(arguments: str, sha256: str) -> None:
    """What the simulator can be asked for beside the plain platform is off by default, and moves nobody's dice."""
    result = CliRunner().invoke(command, arguments.split())
    assert hashlib.sha256(result.stdout_bytes).hexdigest() == sha256


def test_standard_output_is_the_file() -> None:
    result = CliRunner().invoke(command, ["--events", "20"])
    assert [msgspec.json.decode(line)["ts_ms"] > 0 for line in result.stdout.splitlines()] == [True] * 20


def test_a_target_that_cannot_be_had_is_wrong_usage_and_says_why() -> None:
    result = CliRunner().invoke(command, ["--to", "ftp://somewhere"])
    assert result.exit_code == 2
    assert "ftp" in result.stderr


def test_brokers_that_do_not_answer_are_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    result = CliRunner().invoke(command, ["--events", "5", "--to", f"kafka://127.0.0.1:{port}"])
    assert result.exit_code == 1
    assert f"127.0.0.1:{port}" in result.stderr


class Stub(BaseHTTPRequestHandler):
    """Takes events, refuses those of a user `bad`, and hangs up after every answer without saying so."""

    protocol_version = "HTTP/1.1"
    taken: list[dict[str, object]]

    def do_POST(self) -> None:
        events = msgspec.json.decode(self.rfile.read(int(self.headers["Content-Length"])))["events"]
        refused = [place for place, event in enumerate(events) if event.get("user_id") == "bad"]
        self.taken.extend(event for place, event in enumerate(events) if place not in refused)
        answer = {"accepted": len(events) - len(refused), "rejected": [{"index": place} for place in refused]}
        self._answer(202, msgspec.json.encode(answer))
        self.close_connection = True

    def do_GET(self) -> None:
        self._answer(404, b'{"title": "Not Found", "status": 404, "detail": "no anchor a9"}')

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Nothing: tests are quiet."""


@pytest.fixture
def api() -> Iterator[str]:
    Stub.taken = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Stub)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_an_api_gets_every_event_once_and_in_time(api: str) -> None:
    """1,500 events at 3,000 a second of event time are sent in about half a second, none lost or doubled."""
    result = CliRunner().invoke(command, ["--events", "1500", "--rate", "3000", "--to", api])
    assert result.exit_code == 0, result.output
    assert len({event["event_id"] for event in Stub.taken}) == len(Stub.taken) == 1_500


def test_the_client_hands_back_what_was_taken_and_raises_what_was_said(api: str) -> None:
    client = Client(api)
    good: Fields = {"event_id": "1", "user_id": "u"}
    bad: Fields = {"event_id": "2", "user_id": "bad"}
    assert client.send([bad, good]) == [good]
    with pytest.raises(ApiError, match="404: no anchor a9"):
        client.get("/v1/anchors/a9")
    client.close()
