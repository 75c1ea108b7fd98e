"""The policies by name: settings choose one, and each has a file of its own to start from."""

import msgspec
import pytest

from rtrec.docs import ROOT
from rtrec.labels.policies import POLICIES, policy_of
from rtrec.settings import Labels
from rtrec.settings_io import SettingsError, load
from tests.unit.labels.hosted import NAMES

SHIPPED = sorted((ROOT / "configs/labels").glob("*.toml"))


def test_settings_know_exactly_the_policies_there_are() -> None:
    """A policy that cannot be configured, or a name without one, would be found here."""
    assert tuple(POLICIES) == NAMES
    for name in NAMES:
        assert type(policy_of(msgspec.convert({"policy": name}, Labels))) is POLICIES[name]
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"policy": "latest"}, Labels)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_each_shipped_file_is_a_valid_configuration_of_its_policy(path: object) -> None:
    """It loads without a fault, names the policy it is named after, and changes labels alone."""
    settings = load(path, {})  # type: ignore[arg-type]  # a path
    assert settings.labels.policy == path.stem  # type: ignore[attr-defined]
    assert msgspec.structs.replace(settings, labels=Labels()) == load(ROOT / "configs/rtrec.toml", {})


def test_each_policy_is_shipped() -> None:
    """A file for each, and none besides."""
    assert {path.stem for path in SHIPPED} == set(NAMES)


def test_shares_of_negatives_that_are_none_are_refused() -> None:
    """0 would learn from positives alone."""
    for share in ("0", "-1", "1.5"):
        with pytest.raises(SettingsError, match=r"labels\.negative_share: expected a number > 0 and ≤ 1"):
            load(ROOT / "configs/rtrec.toml", {"RTREC_LABELS_NEGATIVE_SHARE": share})
