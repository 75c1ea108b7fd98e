"""Learning: FTRL-Proximal over hashed slots, the model around it, its weights for scorers, its progress.

`FTRLClassifier` is the same rule for users of River, on exact feature names; it is imported when it is asked for.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rtrec.learning.classifier import FTRLClassifier

__all__ = ["FTRLClassifier"]


def __getattr__(name: str) -> Any:
    if name == "FTRLClassifier":
        from rtrec.learning.classifier import FTRLClassifier  # noqa: PLC0415 - River takes a tenth of a second

        return FTRLClassifier
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
