"""Columns of records are those records, however they were cut and put together."""

from hypothesis import given
from hypothesis import strategies as st

from rtrec.stages.messages import Record
from rtrec.stages.records import Records

TEXT = st.binary(max_size=4)
ROWS = st.lists(st.tuples(st.integers(0, 3), st.integers(-1, 9), st.none() | TEXT, TEXT, st.none() | TEXT), max_size=8)


def records_of(rows: list[tuple[int, int, bytes | None, bytes, bytes | None]], first: int = 0) -> list[Record]:
    """Offsets grow, with holes."""
    found: list[Record] = []
    for hole, append_ms, key, value, headers in rows:
        first += hole + 1
        found.append(Record(first, append_ms, key, value, headers))
    return found


@given(ROWS)
def test_columns_give_back_what_they_were_made_of(
    rows: list[tuple[int, int, bytes | None, bytes, bytes | None]],
) -> None:
    """None is not the same as no bytes."""
    records = records_of(rows)
    columns = Records.of(records)
    assert list(columns) == [columns[place] for place in range(len(columns))] == records
    assert Records.of(columns) is columns
    assert [columns.lines().raw(place) for place in range(len(columns))] == [one.value for one in records]


@given(ROWS, st.slices(8), st.integers(0, 40))
def test_some_are_picked_as_of_a_list(
    rows: list[tuple[int, int, bytes | None, bytes, bytes | None]], some: slice, offset: int
) -> None:
    records = records_of(rows)
    columns = Records.of(records)
    assert list(columns[some]) == records[some]
    assert list(columns.since(offset)) == [one for one in records if one.offset >= offset]


@given(st.lists(ROWS, max_size=4), st.data())
def test_columns_follow_one_another(
    parts: list[list[tuple[int, int, bytes | None, bytes, bytes | None]]], data: st.DataObject
) -> None:
    """Columns, parts of columns and lists; what they are joined from stays as it was."""
    lists = [records_of(rows, 100 * number) for number, rows in enumerate(parts)]
    columns = [Records.of(records)[data.draw(st.integers(0, 2)) :] for records in lists]
    expected = [list(one) for one in columns]
    assert list(Records.joined(columns)) == [one for part in expected for one in part]
    assert list(Records.joined(expected)) == [one for part in expected for one in part]
    assert [list(one) for one in columns] == expected
