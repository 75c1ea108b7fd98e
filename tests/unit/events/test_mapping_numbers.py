"""Numbers are exact as decimals, times are whole milliseconds, and what is neither is refused."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtrec.events.mapping_faults import Unfit
from rtrec.events.mapping_numbers import iso_time, offset_of, scaled, time_in
from rtrec.events.mapping_table import read_mapping
from tests.unit.events.mapping_cases import NOW, became, message, reason, table, with_fields


def value_at(message: dict[str, Any]) -> Any:
    return message.get("v")


@pytest.mark.parametrize(
    ("value", "times", "result"),
    [
        (19.99, 100, 1_999), ("19.99", 100, 1_999), (20, 100, 2_000), (0.29, 100, 29), (1.1, 1e3, 1_100), (0, 100, 0),
        (1e2, 1, 100), ("5", 1, 5), (5.0, 1, 5), (250, 0.01, None), (300, 0.01, 3), (1.005, 1_000, 1_005),
        (19.999, 100, None), ("0.001", 100, None), (2.5, 60, 150), (1 / 3, 60, None), (10**12, 1, 10**12),
    ],
)  # fmt: skip
def test_a_factor_is_exact_and_what_is_no_integer_is_refused(value: Any, times: float, result: int | None) -> None:
    """No amount of money is rounded; an integral result is one however it was written."""
    mapping = with_fields(value={"path": "price", "times": times})
    if result is None:
        assert reason(mapping, message(price=value)).startswith("gift.value: expected an integer from price × ")
    else:
        assert became(mapping, message(price=value)).value == result


@given(value=st.floats(allow_nan=False, allow_infinity=False) | st.decimals(-(10**10), 10**10, places=2).map(float))
@pytest.mark.parametrize("factor", [1, 10, 100, 1_000, 7])
def test_a_float_is_its_shortest_decimal(factor: int, value: float) -> None:
    """The quick way for powers of ten says what decimals say, also for floats that no decimal of two places gives."""
    read = scaled(value_at, Decimal(factor), "v", whole=True, down=False)
    exact = Decimal(repr(value)) * factor if abs(value) < 1e25 else None
    if exact is not None and exact == exact.to_integral_value():
        assert read({"v": value}) == int(exact)
    elif exact is not None or abs(value) >= 1e30:
        with pytest.raises(Unfit):
            read({"v": value})


@pytest.mark.parametrize(
    "value", [True, "", "abc", "1e3", "NaN", "1_000", "٣", [], {"a": 1}, 10**40, -1e300, "9" * 31, " 5"]
)
def test_what_is_no_number_is_refused(value: Any) -> None:
    """Nothing that Python alone would take for one, and nothing huge is computed with."""
    mapping = with_fields(value={"path": "price", "times": 100})
    assert reason(mapping, message(price=value)).startswith("gift.value: expected a number at price, got ")


def test_durations_may_be_rounded_down_where_the_mapping_says_so() -> None:
    mapping = with_fields(value={"path": "price", "times": 1_000, "round": "down"})
    assert became(mapping, message(price=12.3456)).value == 12_345
    assert became(mapping, message(price=12.3)).value == 12_300


def test_a_share_keeps_its_fraction() -> None:
    mapping = read_mapping(
        table(
            type={"const": "impression"},
            fields={
                "event_id": "id", "anchor_id": "to", "user_id": "by",
                "propensity": {"path": "percent", "times": 0.01},
            },
        )
    )  # fmt: skip
    assert became(mapping, message(percent=37)).propensity == 0.37


@pytest.mark.parametrize(
    ("unit", "value", "ts_ms"),
    [
        ("ms", NOW, NOW), ("ms", NOW + 0.9, NOW), ("ms", str(NOW), NOW),
        ("s", 1_712_345_678, 1_712_345_678_000), ("s", 1_712_345_678.901, NOW), ("s", "1712345678.9019", NOW),
        ("s", 1712345678.901999, NOW), ("us", NOW * 1_000 + 999, NOW), ("us", NOW * 1_000 + 0.5, NOW),
        ("ns", NOW * 1_000_000 + 999_999, NOW),
        ("iso8601", "2024-04-05T19:34:38.901Z", NOW), ("iso8601", "2024-04-06T03:34:38.901999+08:00", NOW),
        ("iso8601", "20240405T193438.901Z", NOW), ("iso8601", "2024-04-05 19:34:38.901+00:00", NOW),
    ],
)  # fmt: skip
def test_a_time_becomes_milliseconds_rounded_down(unit: str, value: Any, ts_ms: int) -> None:
    assert became(read_mapping(table(time={"path": "at", "unit": unit})), message(at=value)).ts_ms == ts_ms


@given(ms=st.integers(10**11, 10**13 - 1), below=st.integers(0, 999_999))
def test_every_unit_means_the_same_moment(ms: int, below: int) -> None:
    ns = ms * 1_000_000 + below
    assert time_in(value_at, "ns", "v")({"v": ns}) == ms
    assert time_in(value_at, "us", "v")({"v": ns // 1_000}) == ms
    assert time_in(value_at, "s", "v")({"v": f"{ns // 10**9}.{ns % 10**9:09}"}) == ms
    assert time_in(value_at, "s", "v")({"v": ms / 1_000}) == ms


@pytest.mark.parametrize(
    ("unit", "value", "said"),
    [
        ("ms", "today", 'gift.ts_ms: expected a number at at, got "today"'),
        ("s", True, "gift.ts_ms: expected a number at at, got true"),
        ("s", None, "gift.ts_ms: missing"),
        ("iso8601", None, "gift.ts_ms: missing"),
        ("iso8601", NOW, f"gift.ts_ms: expected an ISO 8601 time at at, got {NOW}"),
        ("iso8601", "2024-13-05T00:00:00Z", 'gift.ts_ms: expected an ISO 8601 time at at, got "2024-13-05T00:00:00Z"'),
        ("iso8601", "0001-01-01T00:00:00+14:00", "gift.ts_ms: expected milliseconds since 1970"),
        (
            "iso8601",
            "2024-04-05T19:34:38",
            'gift.ts_ms: expected an ISO 8601 time with an offset at at, got "2024-04-05T19:34:38" (set time.offset?)',
        ),
    ],
)
def test_what_is_no_time_is_refused(unit: str, value: Any, said: str) -> None:
    found = reason(read_mapping(table(time={"path": "at", "unit": unit})), message(at=value))
    assert found.startswith(said)


def test_an_offset_is_for_times_that_have_none() -> None:
    read = iso_time(value_at, offset_of("+08:00"), "v")
    assert read({"v": "2024-04-06T03:34:38.901"}) == NOW
    assert read({"v": "2024-04-05T19:34:38.901Z"}) == NOW
