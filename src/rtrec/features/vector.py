"""The one place that turns records into a model's input, for serving and for training alike.

Rules
-----
- A *row* (`ROW`) is what is logged: ids, context, attribute tokens and the dense numbers as they were, all
  that a vector is made of. Training reads logged rows, so what it sees is what scoring used, bit for bit.
- A *vector* is (slot, value) pairs: dense numbers under a slot each, then the sparse tokens of `table.SPARSE`,
  then attribute tokens. A token is `mix(feature, a, b)`; 0 stands for what is absent and has value 0.
- Of feature set 2 on, a vector's dense numbers are a sixteenth of the row's, and tokens of the clock count a quarter.
  FTRL steps by coordinate, and a row's coordinates step together: with the numbers as they were a logit moved by
  Σx² ≈ 200 of a token's step, more than 60 s of labels on their way could bring back. A new hour's token begins at 0,
  and takes from the logit what the last hour's had gathered in place of the intercept.
- Bias features (position, surface × position) are not in the row: they come from the impression in training,
  and are served at position 0.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
from numba import njit
from numpy.typing import NDArray

from rtrec.events.ids import hash_id, hash_in
from rtrec.events.mixing import mix, slot_of
from rtrec.features.table import ATTRIBUTE_TOKENS, DENSE, DENSE_INDEX, FEATURE_SET, SPARSE
from rtrec.settings import Attribute, Features

ROW: Final = np.dtype(
    [
        ("feature_set", "i8"),
        ("as_of_ms", "i8"),
        ("user", "u8"),  # hashes; 0 = absent
        ("anchor", "u8"),
        ("category", "u8"),
        ("surface", "u8"),
        ("hour", "i8"),
        ("weekday", "i8"),
        ("attributes", "u8", (ATTRIBUTE_TOKENS,)),
        ("dense", "f4", (len(DENSE),)),
    ]
)
Rows = NDArray[Any]
"""A structured array of `ROW` rows."""

N_DENSE: Final = len(DENSE)
N_SPARSE: Final = len(SPARSE)
WIDTH: Final = N_DENSE + N_SPARSE + ATTRIBUTE_TOKENS
ATTRIBUTE: Final = "attribute "
"""How columns of declared attributes are named, before their number."""
NO_POSITION: Final = -1
SERVED_POSITION: Final = 0
MAX_POSITION: Final = 63
DENSE_SCALE: Final = 1 / 16
CLOCK_VALUE: Final = 0.25
_SALTS: Final = np.arange(1, N_DENSE + N_SPARSE + 1, dtype=np.uint64)
_HEAT, _CTR, _TASTE = DENSE_INDEX["heat_log"], DENSE_INDEX["ctr_1h"], DENSE_INDEX["taste_share"]
_FAMILIARITY, _EXPOSURES = DENSE_INDEX["familiarity"], DENSE_INDEX["pair_exposures"]
_VIEWS, _EXPOSED = DENSE_INDEX["user_views_log"], DENSE_INDEX["user_exposures_log"]
_HOUR, _WEEKDAY = 6, 7
"""Places in `table.SPARSE`."""
_CROSSED: Final = (15, 16)
"""Places there of crosses of two numbers."""
_BUCKETS: Final = {5: 1, 6: 1, 7: 1, 9: 1, 10: 64, 11: 1, 12: 1, 13: 2}
"""Places in `table.SPARSE` of buckets, hours and the position, and what `_tokens` adds to them."""

AttributeValue = str | float | bool | list[str]


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


@lru_cache(maxsize=1_024)
def _calendar(zone: str, quarter: int) -> tuple[int, int]:
    """(hour, weekday) of a quarter of an hour since 1970; zones differ by quarters."""
    local = datetime.fromtimestamp(quarter * 900, UTC).astimezone(_zone(zone))
    return local.hour, local.weekday()


Term = tuple[int, tuple[tuple[str, str], ...]]
"""A token of an attribute, or of a cross, with what it stands for: (name, value) of one, or of two."""


def attribute_terms(
    declared: Sequence[Attribute], of: Mapping[str, Mapping[str, AttributeValue]], category: str | None
) -> list[Term]:
    """Tokens of the declared attributes that are given, then of their crosses, with their words.

    of: "user", "anchor", "context" → name → value. A list gives a token each (at most four).

    >>> city = Attribute(name="city", of="user", crosses=("category",))
    >>> [words for _, words in attribute_terms([city], {"user": {"city": "Beijing"}}, "dance")]
    [(('city', 'Beijing'),), (('city', 'Beijing'), ('category', 'dance'))]
    """
    found: dict[str, list[Term]] = {
        "category": [(hash_in("category", category), (("category", category),))] if category is not None else []
    }
    for attribute in declared:
        value = of.get(attribute.of, {}).get(attribute.name)
        found[attribute.name] = [] if value is None else _values(attribute, value)
    terms = [term for attribute in declared for term in found[attribute.name]]
    for attribute in declared:
        for other in attribute.crosses:
            terms += [
                (int(mix(np.uint64(7), np.uint64(a), np.uint64(b))), mine + others)
                for a, mine in found[attribute.name]
                for b, others in found.get(other, [])
            ]
    return terms[:ATTRIBUTE_TOKENS]


def attribute_tokens(
    declared: Sequence[Attribute], of: Mapping[str, Mapping[str, AttributeValue]], category: str | None
) -> list[int]:
    """The tokens alone."""
    return [token for token, _ in attribute_terms(declared, of, category)]


def _values(attribute: Attribute, value: AttributeValue) -> list[Term]:
    space = f"{attribute.of}.{attribute.name}"
    if attribute.type == "number" and isinstance(value, int | float):
        bucket = str(int(math.copysign(2 * math.log2(1 + abs(value)), value)))
        return [(hash_in(space, bucket), ((attribute.name, f"{value:.6g}"),))]
    many = value if isinstance(value, list) else [value]
    return [(hash_in(space, str(one)), ((attribute.name, str(one)),)) for one in many[:4]]


def make_rows(
    policy: Features,
    as_of_ms: int,
    user_id: str | None,
    anchor_ids: Sequence[str],
    categories: Sequence[str | None],
    surface: str | None,
    dense: NDArray[np.float32],
    attributes: Sequence[Sequence[int]],
) -> Rows:
    """Rows of one viewer and N candidates. dense: float32 [N, len(DENSE)]; attributes: tokens of each candidate."""
    rows = np.zeros(len(anchor_ids), ROW)
    rows["feature_set"], rows["as_of_ms"] = FEATURE_SET, as_of_ms
    rows["user"] = hash_id(user_id) if user_id is not None else 0
    rows["anchor"] = [hash_id(anchor) for anchor in anchor_ids]
    rows["category"] = [0 if one is None else hash_in("category", one) for one in categories]
    rows["surface"] = 0 if surface is None else hash_in("surface", surface)
    rows["hour"], rows["weekday"] = _calendar(policy.zone, as_of_ms // 900_000)
    rows["dense"] = dense
    for k, tokens in enumerate(attributes):
        if tokens:
            rows["attributes"][k, : len(tokens)] = tokens
    return rows


@njit(cache=True, nogil=True)
def _doublings(log: float) -> Any:
    """Of 1 + n, whole ones, given ln(1 + n)."""
    return np.uint64(log / math.log(2.0) + 1e-3)


@njit(cache=True, nogil=True)
def _tokens(row: Any, position: Any, out: Any) -> None:
    """The row's sparse values in the order of `table.SPARSE`, as pairs to mix. out: uint64 [N_SPARSE, 2]."""
    zero = np.uint64(0)
    out[:, 1] = zero
    out[0, 0], out[1, 0], out[2, 0] = row.anchor, row.user, row.category
    out[3, 0], out[3, 1] = (row.user, row.category) if row.category != zero else (zero, zero)
    out[4, 0], out[4, 1] = row.user, row.anchor
    out[5, 0] = np.uint64(row.dense[_FAMILIARITY]) + np.uint64(1)
    out[6, 0], out[7, 0] = np.uint64(row.hour + 1), np.uint64(row.weekday + 1)
    out[8, 0] = row.surface
    out[9, 0] = np.uint64(row.dense[_HEAT] * 2) + np.uint64(1)
    out[10, 0] = np.uint64(64.0 + max(3.0 * math.log2(max(row.dense[_CTR], 1e-6)), -63.0))
    out[11, 0] = np.uint64(row.dense[_TASTE] * 10) + np.uint64(1)
    out[12, 0] = np.uint64(row.dense[_EXPOSURES]) + np.uint64(1)
    place = np.uint64(min(position, MAX_POSITION) + 2)
    out[13, 0] = place
    out[14, 0], out[14, 1] = (row.surface, place) if row.surface != zero else (zero, zero)
    out[15, 0] = out[11, 0]
    views, exposed = _doublings(row.dense[_VIEWS]), _doublings(row.dense[_EXPOSED])
    out[15, 1] = views  # no share of no views says nothing
    out[16, 0], out[16, 1] = views + np.uint64(1), exposed


@njit(cache=True, nogil=True)
def _fill(rows: Any, positions: Any, slots_log2: Any, salts: Any, index: Any, value: Any) -> None:
    pairs = np.empty((N_SPARSE, 2), np.uint64)
    for k in range(rows.shape[0]):
        row = rows[k]
        for j in range(N_DENSE):
            index[k, j] = slot_of(mix(salts[j], np.uint64(0), np.uint64(0)), slots_log2)
            value[k, j] = row.dense[j] * DENSE_SCALE
        _tokens(row, positions[k], pairs)
        for j in range(N_SPARSE):
            at = N_DENSE + j
            index[k, at] = slot_of(mix(salts[at], pairs[j, 0], pairs[j, 1]), slots_log2)
            counts = CLOCK_VALUE if _HOUR <= j <= _WEEKDAY else 1.0
            value[k, at] = counts if pairs[j, 0] != np.uint64(0) else 0.0
        for j in range(ATTRIBUTE_TOKENS):
            at = N_DENSE + N_SPARSE + j
            index[k, at] = slot_of(row.attributes[j], slots_log2)
            value[k, at] = 1.0 if row.attributes[j] != np.uint64(0) else 0.0


def vectors(
    rows: Rows, positions: NDArray[np.int64] | None, slots_log2: int
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Slots and values of rows, [N, WIDTH] each; value 0 marks what a row does not have.

    positions: of the impressions, `NO_POSITION` where unknown; None to serve at position 0.
    """
    index, value = np.empty((len(rows), WIDTH), np.int32), np.empty((len(rows), WIDTH), np.float64)
    places = np.full(len(rows), SERVED_POSITION, np.int64) if positions is None else positions
    _fill(rows, places, slots_log2, _SALTS, index, value)
    return index, value


def dense_slots(slots_log2: int) -> frozenset[int]:
    """The slots of dense numbers, which every row has."""
    index, _ = vectors(np.zeros(1, ROW), None, slots_log2)
    return frozenset(index[0, :N_DENSE].tolist())


def bucket_words(row: Any) -> dict[str, str]:
    """What the tokens of a row that stand for a bucket stand for, by the name of their column.

    >>> bucket_words(np.zeros(1, ROW)[0])["user×anchor familiarity"]
    '0'
    """
    pairs = np.empty((N_SPARSE, 2), np.uint64)
    _tokens(row, SERVED_POSITION, pairs)
    words = {SPARSE[place].name: str(int(pairs[place, 0]) - before) for place, before in _BUCKETS.items()}
    crossed = {SPARSE[place].name: pairs[place].tolist() for place in _CROSSED}
    return words | {name: f"{first - 1} × {second}" for name, (first, second) in crossed.items()}


def column_names() -> list[str]:
    """What each of a vector's columns stands for; attribute columns are numbered."""
    return [one.name for one in (*DENSE, *SPARSE)] + [f"{ATTRIBUTE}{k}" for k in range(ATTRIBUTE_TOKENS)]
