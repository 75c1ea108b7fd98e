"""People on a terminal get tables of everything that the JSON holds."""

from collections.abc import Callable
from typing import Any

import pytest

from rtrec.cli.output import emit, grid
from rtrec.cli.show import anchor_tables, user_tables

WINDOWS = {"10s": 0, "1m": 500, "5m": 500, "30m": 1_200, "1h": 1_200, "24h": 9_000}
ANCHOR: dict[str, Any] = {
    "anchor_id": "a[1]", "as_of_ms": 7, "live": True, "live_id": "l1", "category": None, "viewers": 12,
    "attributes": {"x": "[red]"}, "state": {"banned": False}, "windows": {"gift_value": WINDOWS, "views": WINDOWS},
    "heat": {"score": 170.1, "rank": 3, "terms": [
        {"metric": "gift_value", "half_life": "10m", "weight": 0.5, "value": 340.2, "contribution": 170.1}
    ]},
}  # fmt: skip
USER: dict[str, Any] = {
    "user_id": "u1", "as_of_ms": 7, "attributes": {}, "recent_views": [],
    "familiarity": [{"anchor_id": "a1", "views": 3}], "tastes": [{"category": "dance", "share": 0.25}],
    "gift_value": {"10m": 1_500}, "follows": ["a1"], "blocked": [],
}  # fmt: skip


@pytest.fixture
def shown(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], str]:
    """What a terminal of 160 columns gets."""
    monkeypatch.setenv("COLUMNS", "160")

    def show(parts: Any) -> str:
        monkeypatch.setattr("sys.stdout.isatty", lambda: True)
        emit({}, lambda: parts, as_json=False)
        return capsys.readouterr().out

    return show


def test_an_anchor_is_shown_with_room_windows_and_terms(shown: Callable[[Any], str]) -> None:
    text = shown(anchor_tables(ANCHOR))
    for word in ("a[1]", "live in l1", "12 viewers", "[red]", "24h", "9,000", "heat 170.1, rank 3", "340.2"):
        assert word in text


def test_a_user_is_shown_with_tastes_and_familiar_anchors(shown: Callable[[Any], str]) -> None:
    text = shown(user_tables(USER))
    for word in ("u1", "1,500 in 10m", "follows a1", "blocks –", "dance", "0.25", "familiar anchors"):
        assert word in text
    assert "recent views" not in text


def test_what_producers_wrote_cannot_steer_a_terminal(shown: Callable[[Any], str]) -> None:
    """A dead letter's original is anybody's bytes."""
    text = shown([grid("t", ("original",), [["\x1b]0;owned\x07 [link=x]y[/link]"]])])
    assert "·]0;owned· [link=x]y[/link]" in text
    assert "\x1b]" not in text


def test_where_stdout_is_no_terminal_it_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    """Programs need not ask: a pipe gets one document."""
    emit({"a": 1.5}, lambda: [grid("t", ("x",), [])], as_json=False)
    assert capsys.readouterr().out == '{"a":1.5}\n'


def test_on_a_terminal_it_is_a_table_unless_asked_otherwise(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    emit({"a": 1}, lambda: [grid("title", ("name", "figure"), [["x", 1_000]])], as_json=False)
    assert "1,000" in capsys.readouterr().out
    emit({"a": 1}, list, as_json=True)
    assert capsys.readouterr().out == '{"a":1}\n'
