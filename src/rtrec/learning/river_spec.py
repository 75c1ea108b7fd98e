"""River models by configuration: an import path from an allow-list, with parameters; never text that is evaluated.

Rules
-----
- `learner.model` names estimators by their path, a pipeline by `|` between them. Each must be a public class of one
  of the `MODELS` modules; its parameters stand in the table `learner.parameters.NAME`. A parameter that is an object
  itself is a table with `class`, the path of a public class of `MODELS` or `PARTS`, and that one's parameters.
- *Linear* is a logistic regression behind any number of `SCALERS` and then at most one hasher. Its weights can be
  told as one number a feature, so it is published, stored and served everywhere. Any other classifier works embedded
  and in `rtrec evaluate` alone.
- River takes seconds to import: nothing here does before a model of its is asked for.
"""

import inspect
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, Final

from rtrec.settings import FTRL, Learner

MODELS: Final = (
    "river.ensemble", "river.facto", "river.forest", "river.linear_model", "river.naive_bayes", "river.neighbors",
    "river.preprocessing", "river.tree",
)  # fmt: skip
PARTS: Final = (
    "river.drift",
    "river.optim",
    "river.optim.initializers",
    "river.optim.losses",
    "river.optim.schedulers",
)
SCALERS: Final = ("MaxAbsScaler", "StandardScaler")
"""What changes each feature alone, by a straight line. Not MinMaxScaler: it makes NaN of a feature it has not met."""
HASHERS: Final = ("FeatureHasher",)


def build(policy: Learner) -> Any:
    """The River pipeline that the settings name, fresh; ValueError with what is wrong.

    >>> parameters = {"LogisticRegression": {"optimizer": {"class": "river.optim.Adam", "lr": 0.02}}}
    >>> build(Learner(model="river.linear_model.LogisticRegression", parameters=parameters))[0].optimizer.lr
    Constant({'learning_rate': 0.02})
    >>> build(Learner(model="os.system"))
    Traceback (most recent call last):
    ValueError: learner.model: os.system is not a class of river.ensemble, river.facto, river.forest, \
river.linear_model, river.naive_bayes, river.neighbors, river.preprocessing, river.tree
    """
    from river import base, compose  # noqa: PLC0415 - seconds

    kinds = [_class_of("learner.model", path.strip(), MODELS) for path in policy.model.split("|")]
    names = [kind.__name__ for kind in kinds]
    if unknown := [name for name in policy.parameters if name not in names]:
        raise ValueError(f"learner.parameters.{unknown[0]}: the model has no such step, it has {', '.join(names)}")
    steps = [
        _made(f"learner.parameters.{kind.__name__}", kind, policy.parameters.get(kind.__name__, {})) for kind in kinds
    ]
    if not isinstance(steps[-1], base.Classifier):
        raise ValueError(f"learner.model: it ends with {names[-1]}, which is no classifier")  # noqa: TRY004 - a setting
    if wrong := [name for name, step in zip(names, steps[:-1], strict=False) if not isinstance(step, base.Transformer)]:
        raise ValueError(f"learner.model: {wrong[0]} stands before the last step and is no transformer")
    if any(getattr(step, "seed", 0) is None for step in steps):
        raise ValueError("learner.parameters: give each step that takes a seed one, so that a restart learns alike")
    return compose.Pipeline(*steps)


def is_linear(pipeline: Any) -> bool:
    """Whether a built pipeline's weights can be published; see the module's rules."""
    from river import linear_model, optim  # noqa: PLC0415 - seconds

    *steps, last = pipeline.steps.values()
    names = [type(step).__name__ for step in steps]
    scaled = names[:-1] if names and names[-1] in HASHERS else names
    logistic = type(last) is linear_model.LogisticRegression and type(last.loss) is optim.losses.Log
    return logistic and all(name in SCALERS for name in scaled)


def takes_weights(pipeline: Any) -> bool:
    """Whether its classifier knows examples' weights."""
    *_, last = pipeline.steps.values()
    return "w" in inspect.signature(last.learn_one).parameters


def faults(policy: Learner, *, on_cluster: bool, weighted: bool) -> Iterator[str]:
    """What is wrong with the learner's model, if anything.

    on_cluster: it must be published. weighted: examples have weights other than 1.
    """
    if policy.model == FTRL:
        if policy.parameters:
            yield f'learner.parameters: are for models of River; "{FTRL}" has its own settings'
        return
    try:
        pipeline = build(policy)
    except ValueError as error:
        yield str(error)
        return
    if on_cluster and not is_linear(pipeline):
        yield (
            f"learner.model: {policy.model} has no weight for each feature that could be published: it works embedded "
            f"(`rtrec up`) and in `rtrec evaluate` alone; on a cluster take a logistic regression behind "
            f"{', '.join(SCALERS)} or {', '.join(HASHERS)}"
        )
    if weighted and not takes_weights(pipeline):
        yield f"learner.model: {policy.model} takes no weights, which this label policy or negative sampling needs"


def _class_of(where: str, path: str, modules: tuple[str, ...]) -> type:
    module, _, name = path.rpartition(".")
    found = getattr(import_module(module), name, None) if module in modules and not name.startswith("_") else None
    if not inspect.isclass(found) or name not in getattr(import_module(module), "__all__", ()):
        raise ValueError(f"{where}: {path} is not a class of {', '.join(modules)}")
    return found


def _made(where: str, kind: type, parameters: Mapping[str, Any]) -> Any:
    given = {name: _value(f"{where}.{name}", one) for name, one in parameters.items()}
    known = inspect.signature(kind).parameters
    if unknown := [name for name in given if name not in known]:
        raise ValueError(f"{where}.{unknown[0]}: unknown; {kind.__name__} has {', '.join(known)}")
    try:
        return kind(**given)
    except (TypeError, ValueError, NotImplementedError) as error:
        raise ValueError(f"{where}: {kind.__name__} refuses them: {error}") from error


def _value(where: str, value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    path = value.get("class")
    if not isinstance(path, str):
        raise ValueError(f"{where}: a table stands for an object and needs its `class`")  # noqa: TRY004 - a setting
    kind = _class_of(f"{where}.class", path, MODELS + PARTS)
    return _made(where, kind, {name: one for name, one in value.items() if name != "class"})
