"""Why a candidate scored as it did: what each feature adds to one head's logit, largest first."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtrec.features.vector import ATTRIBUTE, N_DENSE, column_names


def explain(
    added: NDArray[np.float64], bias: float, dense: NDArray[np.float32], names: dict[str, str]
) -> list[dict[str, Any]]:
    """Contributions that sum to the logit. added: [WIDTH]; dense: the row's numbers; names: column → its word.

    Of an attribute's column the word is all that is said, such as `city=Beijing × category=dance`.

    >>> explain(np.array([0.5]), -1.0, np.array([2.0], np.float32), {})
    [{'feature': 'bias', 'contribution': -1.0}, {'feature': 'heat_log=2', 'contribution': 0.5}]
    """
    terms = [("bias", bias)]
    columns: Sequence[str] = column_names()
    for k in np.flatnonzero(added).tolist():
        name = columns[k]
        if k < N_DENSE:
            name = f"{name}={dense[k]:.4g}"
        elif name in names:
            name = names[name] if name.startswith(ATTRIBUTE) else f"{name}={names[name]}"
        terms.append((name, float(added[k])))
    terms.sort(key=lambda term: -abs(term[1]))
    return [{"feature": name, "contribution": value} for name, value in terms]
