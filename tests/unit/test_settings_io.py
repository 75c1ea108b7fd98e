"""Settings: the later source wins, every fault is named, and what is written reads back the same."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtrec.settings import HEADS, METRICS, Attribute, Features, Heat, Labels, Settings, Variants
from rtrec.settings_io import SettingsError, as_toml, load, masked


def written(folder: Path, text: str) -> Path:
    path = folder / "settings.toml"
    path.write_text(text, encoding="utf-8")
    return path


def faults(path: Path | None, environ: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load(path, environ or {})
    return caught.value.faults


@pytest.fixture(autouse=True)
def _empty_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_without_file_and_environment_the_defaults_stand() -> None:
    assert load(None, {}) == Settings()


def test_the_environment_wins_over_the_file_and_the_file_over_defaults(tmp_path: Path) -> None:
    path = written(tmp_path, '[heat]\nhalf_life = "1h"\nlease_ms = 5000\n')
    settings = load(path, {"RTREC_HEAT_HALF_LIFE": "1m"})
    assert settings.heat.half_life == "1m"
    assert settings.heat.lease_ms == 5_000
    assert settings.heat.weights == Settings().heat.weights


def test_the_working_directorys_file_is_read_where_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "rtrec.toml").write_text("[server]\nport = 9000\n", encoding="utf-8")
    assert load(None, {}).server.port == 9_000


def test_a_named_file_that_is_missing_is_an_error(tmp_path: Path) -> None:
    [fault] = faults(tmp_path / "absent.toml")
    assert "absent.toml: cannot be read" in fault


@pytest.mark.parametrize("content", [b"[heat", b"\xff\xfe", b"a = 1\na = 2"])
def test_what_is_not_toml_is_one_fault(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.toml"
    path.write_bytes(content)
    [fault] = faults(path)
    assert "expected TOML" in fault


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('[heat]\nhalf_life = "2m"', 'heat.half_life: expected one of 1m, 10m, 1h, got "2m"'),
        ("[server]\nport = 65536", "server.port: expected an integer ≥ 0 and ≤ 65535, got 65536"),
        ("[server]\nport = true", "server.port: expected an integer ≥ 0 and ≤ 65535, got true"),
        ("[server]\nport = 80.0", "server.port: expected an integer ≥ 0 and ≤ 65535, got 80.0"),
        ("[learner]\nalpha = nan", "learner.alpha: expected a number > 0, got NaN"),
        ("[learner]\nalpha = 0", "learner.alpha: expected a number > 0, got 0"),
        ("[log]\nkeep_ms = 10000000000000000", "log.keep_ms: expected an integer ≥ 0, got 10000000000000000"),
        ("[log]\nkeep_ms = 2020-01-01", 'log.keep_ms: expected an integer ≥ 0, got "2020-01-01"'),
        ("[server]\nopen = 1", "server.open: expected true or false, got 1"),
        ('[server]\nopen = "true"', 'server.open: expected true or false, got "true"'),
        ("[server]\nhots = 1", "server.hots: unknown; known are host, port, open"),
        ("heat = 3", "heat: expected a table, got 3"),
        ("[heat.weights]\nviews = -1", "heat.weights.views: expected a number ≥ 0, got -1"),
        ("[features]\nattributes = [{of = 'user'}]", "features.attributes[0].name: missing"),
        ("[labels]\nheads = []", "labels.heads: expected a list of at least 1, each a string, got a list of 0"),
        ("[labels]\nheads = ['click', 'click']", 'labels.heads: "click" stands twice'),
    ],
)
def test_a_fault_names_setting_bound_and_value(tmp_path: Path, text: str, fault: str) -> None:
    assert faults(written(tmp_path, text)) == [fault]


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("[heat.weights]\nview = 1", "heat.weights: expected names of views, "),
        ("[heat.event_caps]\nview = 1", "heat.event_caps: expected names of views, "),
        ("[heat.user_caps]\nview = 1", "heat.user_caps: expected names of views, "),
        ("[ranking.exponents]\nlike = 1", "ranking.exponents: expected names of click, "),
        ("[labels]\nheads = ['like']", "labels.heads: expected names of click, "),
        ("[features]\nzone = 'Mars/Olympus'", "features.zone: expected an IANA time zone"),
        ("[features]\nzone = '../UTC'", "features.zone: expected an IANA time zone"),
        ("[features]\nzone = 'America'", "features.zone: expected an IANA time zone"),
        ("[[features.attributes]]\nname = 'a'\nof = 'user'\ncrosses = ['b']", "features.attributes[0].crosses: "),
        ("[[features.attributes]]\nname = 'a'\nof = 'user'\ncrosses = ['a']", "features.attributes[0].crosses: "),
        ("features.attributes = [{name='a', of='user'}, {name='a', of='user'}]", "features.attributes[1].name"),
        ("[nonsense]\na = 1", "nonsense: unknown; known are server, "),
    ],
)  # fmt: skip
def test_names_that_mean_nothing_are_faults(tmp_path: Path, text: str, where: str) -> None:
    [fault] = faults(written(tmp_path, text))
    assert fault.startswith(where)


def test_every_fault_is_reported_with_its_source(tmp_path: Path) -> None:
    """Faults of type, of meaning and of the environment come together, none hides another."""
    path = written(
        tmp_path, '[heat]\nhalf_life = "2m"\nlease_ms = -1\n[heat.weights]\nx = 1\n[labels]\nheads = ["y"]\n'
    )
    found = faults(path, {"RTREC_SERVER_PORT": "http", "RTREC_LOG_COLOUR": "red"})
    assert sorted(fault.split(":")[0] for fault in found) == [
        "heat.half_life", "heat.lease_ms", "heat.weights", "labels.heads", "log.colour", "server.port",
    ]  # fmt: skip
    assert 'server.port: expected an integer ≥ 0 and ≤ 65535, got "http" (from RTREC_SERVER_PORT)' in found


def test_variables_that_name_no_section_are_others() -> None:
    others = {"RTREC_REDIS_CLUSTER": "redis://x", "RTREC_SOAK": "1", "HEAT_HALF_LIFE": "2m"}
    assert load(None, others) == Settings()


def test_the_contracts_addresses_set_kafka_and_redis() -> None:
    loaded = load(None, {"RTREC_KAFKA": "localhost:1", "RTREC_REDIS": "redis://x"})
    assert (loaded.kafka.bootstrap, loaded.redis.url) == ("localhost:1", "redis://x")


def test_the_environment_takes_tables_lists_and_plain_text() -> None:
    settings = load(None, {
        "RTREC_HEAT_WEIGHTS": "{ views = 2 }",
        "RTREC_LABELS_HEADS": '["gift"]',
        "RTREC_FEATURES_ZONE": "Asia/Shanghai",
        "RTREC_DEAD_LETTERS_CAP_SHARE": "0.25",
    })  # fmt: skip
    assert settings.heat.weights == {"views": 2.0}
    assert settings.labels.heads == ("gift",)
    assert settings.features.zone == "Asia/Shanghai"
    assert settings.dead_letters.cap_share == 0.25


def test_a_switch_is_true_or_false_and_nothing_else(tmp_path: Path) -> None:
    assert not load(None, {}).server.open
    assert load(written(tmp_path, "[server]\nopen = true"), {}).server.open
    assert load(None, {"RTREC_SERVER_OPEN": "true"}).server.open
    assert not load(written(tmp_path, "[server]\nopen = true"), {"RTREC_SERVER_OPEN": "false"}).server.open
    for word in ("yes", "1", "True", "on", ""):
        [fault] = faults(None, {"RTREC_SERVER_OPEN": word})
        assert fault.startswith("server.open: expected true or false, got ")
        assert fault.endswith("(from RTREC_SERVER_OPEN)")


def test_a_variable_cannot_smuggle_in_a_second_value() -> None:
    """A line break in a variable is text, not another line of TOML."""
    [fault] = faults(None, {"RTREC_SERVER_PORT": "1\nhost = 2"})
    assert fault.startswith("server.port: expected an integer")


weights = st.dictionaries(st.sampled_from(METRICS), st.floats(0, 1e12), max_size=4)
names = st.text(min_size=1, max_size=20)


@st.composite
def some_settings(draw: st.DrawFn) -> Settings:
    declared = draw(st.lists(names, unique=True, max_size=3))
    crosses = ("category", *declared[:1])
    return Settings(
        heat=Heat(half_life=draw(st.sampled_from(["1m", "10m", "1h"])), weights=draw(weights), user_caps=draw(weights)),
        labels=Labels(heads=tuple(draw(st.lists(st.sampled_from(HEADS), min_size=1, unique=True)))),
        features=Features(
            attributes=tuple(
                Attribute(name=name, of=draw(st.sampled_from(["user", "anchor", "context"])), crosses=crosses)
                for name in declared[1:]
            )
            + tuple(Attribute(name=name, of="user") for name in declared[:1])
        ),
        variants=Variants(heat_only=draw(st.floats(0, 1))),
    )


@given(settings=some_settings(), explained=st.booleans())
def test_what_is_written_reads_back_the_same(
    tmp_path_factory: pytest.TempPathFactory, settings: Settings, explained: bool
) -> None:
    path = written(tmp_path_factory.mktemp("settings"), as_toml(settings, explained=explained))
    assert load(path, {}) == settings


def test_a_text_that_looks_like_a_number_stays_a_text() -> None:
    assert load(None, {"RTREC_KAFKA_PASSWORD": "12345"}).kafka.password == "12345"  # noqa: S105 - no real one


def test_secrets_are_not_shown() -> None:
    environ = {"RTREC_KAFKA_PASSWORD": "pencil", "RTREC_REDIS": "rediss://me:ink@host:1/0"}
    shown = as_toml(masked(load(None, environ)))
    assert "pencil" not in shown
    assert "ink" not in shown
    assert "rediss://me:***@host:1/0" in shown
