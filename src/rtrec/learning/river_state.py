"""What a River model has learned as plain values, and back: without pickle, so that nothing stored can run.

Rules
-----
- The configuration makes the objects; only what learning put into them is stored: numbers, texts, and mappings of
  feature → number (or of feature → an object that the mapping makes itself), attribute by attribute.
- A mapping keeps its order and kind: what is restored goes on bit for bit.
- What has another shape (an object of Rust, a tree) is a TypeError: that model is learned anew from the log.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from typing import Any, Final

_PLAIN: Final = (bool, int, float, str, type(None))
_MADE: Final[dict[str, Callable[[], Any]]] = {
    "dict": dict, "Counter": Counter, "defaultdict": lambda: defaultdict(float),
}  # fmt: skip


def taken(value: Any) -> Any:
    """Plain values of an object.

    >>> from river.preprocessing import StandardScaler
    >>> scaler = StandardScaler()
    >>> scaler.learn_one({7: 2.0})
    >>> taken(scaler)["means"]
    ['defaultdict', [[7, 2.0]]]
    """
    if isinstance(value, _PLAIN):
        return value
    kind = type(value).__name__
    if kind == "VectorDict" or (isinstance(value, dict) and kind in _MADE):
        return [kind, [[key, taken(one)] for key, one in value.items()]]
    if type(value).__module__.startswith("river.") and hasattr(value, "__dict__"):
        steps = getattr(value, "steps", None)  # a pipeline's own attributes are what it keeps at hand of them
        attributes: Mapping[str, Any] = vars(value) if steps is None else steps
        return {name: taken(one) for name, one in attributes.items()}
    raise TypeError(f"{type(value).__module__}.{kind}: its state cannot be stored")


def put(into: Any, state: Mapping[str, Any]) -> None:
    """Give a fresh object what `taken` found in one of the same configuration."""
    steps = getattr(into, "steps", None)
    attributes = vars(into) if steps is None else steps
    for name, one in state.items():
        present = attributes[name]
        if isinstance(one, list):
            if present is None:
                present = _empty(one[0])
                setattr(into, name, present)
            _fill(present, one[1])
        elif isinstance(one, dict):
            put(present, one)
        else:
            setattr(into, name, one)


def _empty(kind: str) -> Any:
    from river.utils import VectorDict  # noqa: PLC0415 - River is here only where a model of its is

    return VectorDict() if kind == "VectorDict" else _MADE[kind]()


def _fill(mapping: Any, items: list[list[Any]]) -> None:
    mapping.clear()
    for key, one in items:
        if isinstance(one, dict):
            put(mapping[key], one)
        else:
            mapping[key] = one
