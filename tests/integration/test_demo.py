"""`rtrec demo`, for real: it ends well, has seen four incidents through, and leaves nothing running."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

DEMO = [sys.executable, "-m", "rtrec.cli", "demo", "--port", "0", "--json"]
SECONDS = 25


def running_with(text: str) -> list[str]:
    """Command lines of this machine's processes that name `text`."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = place.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if text in line and place.parent.name != str(os.getpid()):
            found.append(line)
    return found


def test_the_demo_learns_sees_four_incidents_through_and_leaves_no_process(tmp_path: Path) -> None:
    data = tmp_path / "demo-data"
    done = subprocess.run(  # noqa: S603 - our own command
        [*DEMO, "--seconds", str(SECONDS), "--data", str(data)], capture_output=True, timeout=SECONDS + 240, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    summary = json.loads(done.stdout)
    assert [outcome["name"] for outcome in summary["incidents"]] == ["whale", "kill", "refund", "ban"]
    assert all(outcome["ok"] for outcome in summary["incidents"]), summary["incidents"]
    assert summary["recommendations"] > 100
    assert summary["examples"] > 100, "learned from since the kill"
    assert summary["auc_difference"] is not None
    assert running_with(str(data)) == []


def test_interrupted_it_ends_with_exit_0_and_no_process(tmp_path: Path) -> None:
    """Ctrl-C is the usual end of a demo without `--seconds`."""
    data = tmp_path / "demo-data"
    command = [*DEMO, "--data", str(data)]
    child = subprocess.Popen(  # noqa: S603 - our own command
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=as_in_a_terminal  # noqa: PLW1509
    )  # fmt: skip
    try:
        wait_for_words(data, child)
        child.send_signal(signal.SIGINT)
        _, said = child.communicate(timeout=60)
    finally:
        child.kill()
        child.wait()
    assert child.returncode == 0, said.decode()
    assert running_with(str(data)) == []


def as_in_a_terminal() -> None:
    """Hear Ctrl-C: whatever a shell starts in the background is born with it ignored, and so are its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def wait_for_words(data: Path, child: "subprocess.Popen[bytes]") -> None:
    """Until the demo has said that its server is ready: Ctrl-C before is a start that was given up."""
    assert child.stderr is not None
    ends_s = time.monotonic() + 240
    for line in child.stderr:
        if b"ready after" in line:
            return
        assert time.monotonic() < ends_s, f"no server in {data}"
    raise AssertionError("the demo ended before its server was ready")
