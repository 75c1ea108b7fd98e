"""What an explanation says: every contribution by the name of its feature, and all of them."""

import math
from pathlib import Path

import pytest

from rtrec.runtime.embedded import Embedded
from rtrec.settings import Attribute, Features, Learner, Settings
from tests.integration.serving import eventually
from tests.integration.test_live import event, live, opened, scores, send

SETTINGS = Settings(
    learner=Learner(slots_log2=18, l1=0.0, publish_ms=50),
    features=Features(
        attributes=(
            Attribute(name="city", of="user", crosses=("category", "style")),
            Attribute(name="age", of="user", type="number"),
            Attribute(name="style", of="anchor"),
        )
    ),
)


def shown(host: Embedded) -> None:
    """People of a city are shown a room and click it."""
    send(host, event("live_start", "a", None, live_id="l", category="dance"))
    send(host, event("anchor_profile", "a", None, set={"style": ["lively", "new"]}))
    send(host, event("user_profile", "a", "u", set={"city": "Beijing", "age": 35}))
    for number in range(20):
        ids = {"request_id": f"r{number}", "surface": "home", "position": 3}
        send(host, event("impression", "a", "u", **ids), event("click", "a", "u", **ids))


def test_every_contribution_has_the_name_of_its_feature(tmp_path: Path) -> None:
    """Ids, buckets, declared attributes and their crosses; together they are the logit of p."""
    with live(tmp_path / "data", SETTINGS) as host:
        opened(host, "a")
        shown(host)
        asked = {"explain": "click", "context": {"surface": "home"}}
        eventually(lambda: scores(host, "a", **asked)["scores"][0]["heads"]["click"]["p"] > 0.7)
        (one,) = scores(host, "a", **asked)["scores"]
    named = {term["feature"]: term["contribution"] for term in one["explanation"]}
    expected = {
        "bias", "anchor=a", "user=u", "category=dance", "user×category=u, dance", "user×anchor=u, a", "surface=home",
        "city=Beijing", "age=35", "style=lively", "style=new", "city=Beijing × category=dance",
        "city=Beijing × style=lively", "city=Beijing × style=new",
    }  # fmt: skip
    assert expected <= named.keys()
    assert not [name for name in named if name.startswith("attribute")]
    assert any(name.startswith("hour=") and 0 <= int(name[5:]) < 24 for name in named)
    assert any(name.startswith("user×anchor familiarity=") for name in named)
    p = one["heads"]["click"]["p"]
    assert sum(named.values()) == pytest.approx(math.log(p / (1 - p)), abs=1e-9)
