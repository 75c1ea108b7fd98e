"""What `FTRLClassifier` takes for many examples, checked: a data frame or a sparse matrix, labels, weights.

Frames are pandas', or another's that River's own mini-batches take; none of these libraries is imported before one
comes.
"""

from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple, NoReturn

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rtrec.learning.named import LARGEST


class Rows(NamedTuple):
    """Row i is the entries starts[i] … starts[i + 1] − 1.

    starts: int64 [N + 1]. value: float64 [entries]. columns: the column number of each entry, or, where every row has
    all columns in order, their names.
    """

    starts: NDArray[np.int64]
    value: NDArray[np.float64]
    columns: NDArray[np.integer] | Sequence[Hashable]

    def __len__(self) -> int:
        return self.starts.size - 1


def rows_of(given: Any) -> Rows:
    """A frame's or a matrix's rows; ValueError for a value that is no finite number, with its feature and row."""
    rows = _rows_of_matrix(given) if _is_sparse(given) else _rows_of_frame(given)
    if not _are_numbers(rows.value):
        entry = int(np.flatnonzero(~(np.abs(rows.value) <= LARGEST))[0])
        row = int(np.searchsorted(rows.starts, entry, "right")) - 1
        numbered = isinstance(rows.columns, np.ndarray)
        name = rows.columns[entry if numbered else entry - int(rows.starts[row])]
        refuse(f"row {row}, feature {name.item() if isinstance(name, np.generic) else name!r}", rows.value[entry])
    return rows


def labels_of(given: ArrayLike, rows: int) -> NDArray[np.float64]:
    """Labels [rows] as 0.0 and 1.0; ValueError for another."""
    labels = _column("y", given, rows)
    wrong = np.flatnonzero((labels != 0.0) & (labels != 1.0))
    if wrong.size:
        refuse(f"row {wrong[0]}, y", labels[wrong[0]], "a bool, 0 or 1")
    return labels


def weights_of(given: ArrayLike | None, rows: int) -> NDArray[np.float64]:
    """Weights [rows] of examples, 1 where none is given; one number is that of all."""
    weights = (
        np.ones(rows)
        if given is None
        else _column("w", np.broadcast_to(given, rows) if np.isscalar(given) else given, rows)
    )
    if not _are_numbers(weights):
        row = int(np.flatnonzero(~(np.abs(weights) <= LARGEST))[0])
        refuse(f"row {row}, w", weights[row])
    return weights


def table_like(given: Any, columns: dict[bool, NDArray[np.float64]]) -> Any:
    """Columns as a frame of the kind of `given`, with its index; pandas' for a matrix."""
    if _is_sparse(given):
        from pandas import DataFrame  # type: ignore[import-untyped]  # noqa: PLC0415 - for those who ask for one

        return DataFrame(columns)
    from river.utils import dataframe  # noqa: PLC0415 - half a second, for those who have frames

    return dataframe.to_native_frame(columns, like=dataframe.into_frame(given))


def series_like(given: Any, values: NDArray[np.bool_], name: Hashable) -> Any:
    """Values as a series of the kind of `given`, with its index; pandas' for a matrix."""
    if _is_sparse(given):
        from pandas import Series  # noqa: PLC0415 - for those who ask for one

        return Series(values, name=name)
    from river.utils import dataframe  # noqa: PLC0415 - half a second, for those who have frames

    return dataframe.to_native_series(values, name=name, like=dataframe.into_frame(given))  # type: ignore[arg-type]


def refuse(what: str, value: object, expected: str | None = None) -> NoReturn:
    """Raise the ValueError that names what was given, the value and what was expected: a finite number, if not told."""
    got = value.item() if isinstance(value, np.generic) else value
    if expected is None:
        finite = isinstance(got, float) and abs(got) < np.inf
        expected = f"at most ±{LARGEST:g}" if finite else "a finite number"
    raise ValueError(f"{what}: expected {expected}, got {got!r}")


def _is_sparse(given: Any) -> bool:
    return type(given).__module__.startswith("scipy.sparse")


def _rows_of_matrix(given: Any) -> Rows:
    matrix = given.tocsr()
    starts = np.ascontiguousarray(matrix.indptr, np.int64)
    columns, value = matrix.indices[: starts[-1]], matrix.data[: starts[-1]]
    sound = starts[0] == 0 and (np.diff(starts) >= 0).all() and columns.size == value.size == starts[-1]
    if not (sound and (not columns.size or (columns.min() >= 0 and columns.max() < matrix.shape[1]))):
        raise ValueError("a damaged CSR matrix: its row starts or columns lie outside of it")
    return Rows(starts, np.ascontiguousarray(value, np.float64), columns)


def _rows_of_frame(given: Any) -> Rows:
    from river.utils import dataframe  # noqa: PLC0415 - half a second, for those who have frames

    frame = dataframe.into_frame(given)
    names = list(frame.columns)
    try:
        value = np.ascontiguousarray(dataframe.to_numpy(frame))
    except (ValueError, TypeError):
        for name in names:
            _column(f"feature {name!r}", frame[name].to_numpy(), len(frame))
        raise
    starts = np.arange(len(frame) + 1, dtype=np.int64) * len(names)
    return Rows(starts, value.reshape(-1), names)


def _column(what: str, given: ArrayLike, rows: int) -> NDArray[np.float64]:
    try:
        column = np.ascontiguousarray(given, np.float64)
    except (ValueError, TypeError, OverflowError) as error:
        raise ValueError(f"{what}: expected numbers, got one that is none: {error}") from error
    if column.shape != (rows,):
        raise ValueError(f"{what}: expected {rows} of them, one a row, got shape {column.shape}")
    return column


def _are_numbers(values: NDArray[np.float64]) -> bool:
    return bool((np.abs(values) <= LARGEST).all())  # not so for NaN
