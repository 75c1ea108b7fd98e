"""A server's configuration file, while it runs: what may change changes, all else is said and stays."""

from pathlib import Path

import pytest

from rtrec.runtime.reload import Watched
from rtrec.settings import Heat, Settings
from rtrec.settings_io import load


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text("[heat]\nweights = { views = 1.0 }\n", encoding="utf-8")
    return path


def watched(file: Path) -> Watched:
    return Watched(file, {}, load(file, {}))


def test_a_file_that_stays_gives_nothing(file: Path) -> None:
    watch = watched(file)
    assert [watch(), watch()] == [None, None]


def test_new_weights_are_given_once(file: Path) -> None:
    watch = watched(file)
    file.write_text("[heat]\nweights = { likes = 2.0 }\n", encoding="utf-8")
    assert watch() == Settings(heat=Heat(weights={"likes": 2.0}))
    assert watch() is None


def test_what_may_not_change_waits_and_is_named(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Another half-life would make nonsense of stored heat; the rest of its section still changes."""
    watch = watched(file)
    text = '[heat]\nhalf_life = "1h"\nweights = { likes = 2.0 }\n[server]\nport = 9999\n'
    file.write_text(text, encoding="utf-8")
    assert watch() == Settings(heat=Heat(weights={"likes": 2.0}))
    assert "changes of server, heat wait for a restart" in caplog.text


def test_faults_are_logged_and_change_nothing(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    watch = watched(file)
    file.write_text("[heat]\nhalf_life = '2m'\n", encoding="utf-8")
    assert watch() is None
    assert "heat.half_life: expected one of" in caplog.text
    file.unlink()
    assert watch() is None
    assert "cannot be read" in caplog.text


def test_a_file_that_comes_later_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without --config the working directory's rtrec.toml is watched, also when there is none yet."""
    monkeypatch.chdir(tmp_path)
    watch = Watched(None, {}, Settings())
    assert watch() is None
    (tmp_path / "rtrec.toml").write_text("[variants]\nheat_only = 0.5\n", encoding="utf-8")
    with_half = watch()
    assert with_half is not None
    assert with_half.variants.heat_only == 0.5
