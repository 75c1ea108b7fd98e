"""`--compare`: lists of values become combinations, wrong ones are said before any run, failures end the rest."""

import json
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from rtrec.cli import main
from rtrec.cli.comparing import choices_of, run_all, settings_of_all, shown, split_values
from rtrec.settings import Learner, Settings
from rtrec.settings_cluster import Redis


@pytest.fixture(autouse=True)
def _empty_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_values_are_combined_each_with_each() -> None:
    """In the order given, the last setting fastest."""
    found = choices_of(["learner.alpha=0.1, 0.2", "labels.heads=['click'],['click', 'gift']"])
    assert [tuple(one.values()) for one in found] == [
        ("0.1", "['click']"), ("0.1", "['click', 'gift']"), ("0.2", "['click']"), ("0.2", "['click', 'gift']"),
    ]  # fmt: skip


WORD = st.text("abc0.", min_size=1, max_size=5)
VALUE = WORD | st.lists(WORD, max_size=3).map(json.dumps) | WORD.map(lambda w: f"{{ a = '{w},{w}' }}")


@given(st.lists(VALUE, min_size=1, max_size=4))
def test_commas_within_lists_tables_and_quotes_split_nothing(values: list[str]) -> None:
    assert split_values(", ".join(values)) == values


@pytest.mark.parametrize(
    ("compared", "said"),
    [
        ("learner.alpha", "expected section.name=v1,v2"),
        ("learner.alpha=", "expected section.name=v1,v2"),
        ("learner.alpha=0.1,,0.2", "expected section.name=v1,v2"),
        ("alpha=0.1", "expected section.name=v1,v2"),
        ("learner.alfa=0.1", "learner.alfa: unknown; known are "),
        ("lerner.alpha=0.1", "lerner.alpha: unknown; known are server, "),
        ("learner.alpha=0.1,fast", 'learner.alpha: expected a number > 0, got "fast"'),
        ("learner.alpha=0.1,-1", "learner.alpha: expected a number > 0, got -1"),
        ("labels.policy=exit_first,hope", 'got "hope"'),
        ("labels.heads=['click'],['applause']", 'got "applause"'),
        ("learner.alpha=" + ",".join(["0.1"] * 300), "300 combinations are more than 256"),
    ],
)
def test_a_wrong_name_or_value_is_exit_code_2_before_anything_is_read(compared: str, said: str) -> None:
    """The source is absent: it is not even looked for."""
    done = CliRunner().invoke(main, ["evaluate", "absent.jsonl", "--compare", compared])
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in " ".join(done.stderr.split())


def test_a_setting_given_twice_is_wrong_usage() -> None:
    with pytest.raises(click.UsageError, match="given twice"):
        choices_of(["learner.alpha=0.1", "learner.alpha=0.2"])


def test_what_is_compared_wins_over_file_and_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And everything else of them holds."""
    (tmp_path / "rtrec.toml").write_text("[learner]\nbeta = 3.0\nalpha = 0.7\n", encoding="utf-8")
    monkeypatch.setenv("RTREC_LEARNER_ALPHA", "0.9")
    monkeypatch.setenv("RTREC_LEARNER_L1", "0.25")
    [one, two] = settings_of_all(None, choices_of(["learner.alpha=0.1,0.2"]))
    assert (one.learner, two.learner) == tuple(Learner(alpha=alpha, beta=3.0, l1=0.25) for alpha in (0.1, 0.2))


def test_settings_are_shown_as_in_force_and_secrets_as_stars() -> None:
    settings = Settings(redis=Redis(url="redis://:secret@host:1"))
    found = shown(settings, {"learner.alpha": "1e-1", "labels.heads": "", "redis.url": ""})
    assert found == {
        "learner.alpha": 0.1,
        "labels.heads": ["click", "long_view", "gift"],
        "redis.url": "redis://:***@host:1",
    }


def test_a_run_that_fails_is_named_and_ends_the_others(tmp_path: Path) -> None:
    """Here the source went away in between."""
    gone = str(tmp_path / "gone.jsonl")
    with pytest.raises(click.ClickException, match=r"the run with b failed: .*gone\.jsonl") as caught:
        run_all([Settings()], [gone], ["b"], lambda line: None)  # noqa: ARG005 - nobody listens
    assert caught.value.exit_code == 1
