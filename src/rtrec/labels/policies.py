"""The policies by name."""

from typing import Any

from rtrec.labels.exit_first import ExitFirst
from rtrec.labels.fast_slow import FastSlow
from rtrec.labels.fixed_window import FixedWindow
from rtrec.labels.policy import Policy
from rtrec.labels.seed import Seed
from rtrec.settings import HEADS, Labels

POLICIES: dict[str, type[Policy]] = {
    "exit_first": ExitFirst,
    "seed": Seed,
    "fixed_window": FixedWindow,
    "fast_slow": FastSlow,
}


def policy_of(settings: Labels) -> Policy:
    """The policy that the settings name.

    >>> policy_of(Labels()).heads("feed") == 0b111
    True
    """
    kind = POLICIES[settings.policy]
    values: dict[str, Any] = {name: getattr(settings, name, None) for name in kind.__dataclass_fields__}
    values |= {
        "configured": sum(1 << HEADS.index(head) for head in set(settings.heads)),
        "auto_surfaces": frozenset(settings.auto_surfaces),
    }
    return kind(**values)
