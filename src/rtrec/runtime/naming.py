"""Names of slices: figures know categories and surfaces by their hashes, which say nothing to people."""

from collections.abc import Iterable
from typing import Any, Final

from rtrec.events.ids import hash_in

SURFACES: Final = (
    "feed", "home", "search", "follow", "push", "share", "hot", "nearby", "category", "recommend", "room", "profile",
)  # fmt: skip
"""Surfaces that platforms commonly have: their names are not stored anywhere."""


def named(report: dict[str, Any], categories: Iterable[str]) -> dict[str, Any]:
    """A report with the slices' names in place of their hashes, where they are known; others stay 16 hex digits.

    >>> hashed = f"{hash_in('surface', 'feed'):016x}"
    >>> report = {"heads": {"click": {"slices": {"surface": {hashed: {}, "(other)": {}}}}}}
    >>> named(report, [])["heads"]["click"]["slices"]
    {'surface': {'feed': {}, '(other)': {}}}
    """
    names = {
        by: {f"{hash_in(by, one):016x}": one for one in known}
        for by, known in (("category", categories), ("surface", SURFACES))
    }
    heads = {
        head: figures
        | {
            "slices": {
                by: {names.get(by, {}).get(value, value): one for value, one in slices.items()}
                for by, slices in figures["slices"].items()
            }
        }
        if "slices" in figures
        else figures
        for head, figures in report["heads"].items()
    }
    return {**report, "heads": heads}
