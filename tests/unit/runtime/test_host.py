"""The host: all or nothing, alone on its folder, loud about refusals, and careful with settings."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rtrec.ports import Verdict
from rtrec.runtime.embedded import Embedded, FolderBusy
from rtrec.runtime.folder import CONTROL, DEAD_LETTERS, EVENTS, EXAMPLES, TOPICS
from rtrec.runtime.host import Fenced, TooManyRefused
from rtrec.runtime.journey import HEAT, INGEST, LEARN, OWNERS, PROFILE
from rtrec.settings import DeadLetters, Heat, Labels, Learner, Log, Settings
from tests.unit.runtime.hosts import DAY_MS, SETTINGS, append, event, line, now_ms, take

BAD = b"{}"


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Embedded]:
    with Embedded.open(tmp_path / "data", SETTINGS) as host:
        yield host


# Commits


def refused_once(monkeypatch: pytest.MonkeyPatch, host: Embedded, owner: object) -> None:
    """The store answers FENCED to an owner, once, in the midst of a step's commit."""
    commit, left = host.folder.store.commit, [owner]

    def answer(asked: Any, *rest: Any) -> Verdict:
        if asked in left:
            left.clear()
            return Verdict.FENCED
        return commit(asked, *rest)

    monkeypatch.setattr(host.folder.store, "commit", answer)


def stored(host: Embedded) -> tuple[object, ...]:
    """Everything that a commit writes."""
    store, log = host.folder.store, host.folder.log
    records = [list(store.scan(owner)) for owner in OWNERS]
    offsets = [store.offsets(owner) for owner in OWNERS]
    return records, offsets, store.top(HEAT, 100), [log.bounds(topic, 0) for topic in TOPICS]


def busy() -> list[dict[str, Any] | bytes]:
    """Every stage has something to write, and labels are decided."""
    then = now_ms() - DAY_MS // 2
    seen = [
        made
        for k in range(5)
        for made in (
            event("impression", request_id=f"r{k}", ts_ms=then + k),
            event("click", request_id=f"r{k}", ts_ms=then + 900 + k),
            event("gift", value=k, ts_ms=then + 1_000 + k),
        )
    ]
    return [event("live_start", user_id=None, ts_ms=then), *seen, BAD, event("like", user_id="v")]


@pytest.mark.parametrize("owner", [INGEST, HEAT, PROFILE, LEARN], ids=str)
def test_a_refused_commit_leaves_nothing_and_the_next_step_takes_the_same_events(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: Embedded, owner: object
) -> None:
    """Whichever stage's it is, and after it all is as if nothing had happened."""
    events = busy()
    take(host, *events)
    later = busy()
    append(host, *later)
    before, totals = stored(host), host.totals()
    refused_once(monkeypatch, host, owner)
    with pytest.raises(Fenced, match=f"{owner}: .*fenced"):
        host.step()
    assert (stored(host), host.totals()) == (before, totals)
    assert host.lag() == len(later)
    assert host.step() == len(later)
    with Embedded.open(tmp_path / "undisturbed", SETTINGS) as other:
        take(other, *events)
        take(other, *later)
        assert other.digest() == host.digest()
        assert other.totals() == host.totals()
        assert stored(other)[3] == stored(host)[3]
    assert host.folder.log.bounds(EXAMPLES, 0).end > 0
    assert host.folder.log.bounds(DEAD_LETTERS, 0).end == 2


def test_a_host_that_was_taken_over_cannot_write(host: Embedded) -> None:
    """An owner's newer epoch, taken behind its back, fences it for good; what it read stays for the new one."""
    take(host, event("gift", value=5))
    host.folder.store.acquire(HEAT)
    append(host, event("gift", value=7))
    before = stored(host)
    for _ in range(2):
        with pytest.raises(Fenced, match="heat:0"):
            host.step()
    assert stored(host) == before
    host._leases[HEAT] = host.folder.store.acquire(HEAT).epoch
    host.drain()
    shown = host.show_anchor("a")
    assert shown is not None
    assert shown["windows"]["gift_value"]["1h"] == 12


def test_a_folder_has_one_host_at_a_time(tmp_path: Path) -> None:
    with Embedded.open(tmp_path / "data", SETTINGS) as host:
        take(host, event("like"))
        with pytest.raises(FolderBusy, match="another"):
            Embedded.open(tmp_path / "data", SETTINGS)
        take(host, event("like"))
        reader = Embedded.read(tmp_path / "data", SETTINGS)
        assert reader.served
        reader.close()
    with Embedded.open(tmp_path / "data", SETTINGS) as again:
        take(again, event("like"))
        shown = again.show_anchor("a")
        assert shown is not None
        assert shown["windows"]["likes"]["1h"] == 3


# Refusals


def capped(on_cap: Any) -> Settings:
    return Settings(learner=SETTINGS.learner, dead_letters=DeadLetters(cap_share=0.5, cap_window=10, on_cap=on_cap))


def test_past_the_cap_on_refusals_the_host_stops_if_so_configured(tmp_path: Path) -> None:
    """At the share it goes on, past it it stops; the refused events are dead letters and not taken again."""
    with Embedded.open(tmp_path / "data", capped("stop")) as host:
        take(host, *[one for _ in range(5) for one in (line(event("like")), BAD)])
        append(host, BAD, BAD)
        with pytest.raises(TooManyRefused, match=r"50% of the last 10 events.*missing"):
            host.step()
        assert (host.lag(), host.totals()["dead_letters"]) == (0, 7)
        assert len(host.dead_letters(100)) == 7


def test_past_the_cap_on_refusals_an_alarm_says_so_once_and_events_go_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Once until it is over; a second time when it comes again."""
    with Embedded.open(tmp_path / "data", capped("alarm")) as host, caplog.at_level(logging.WARNING, "rtrec.host"):
        for _ in range(3):
            take(host, *[BAD] * 6)
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        assert "deadletters list" in caplog.text
        take(host, *[event("like") for _ in range(10)])
        assert len(caplog.records) == 1
        take(host, *[BAD] * 6)
        assert len(caplog.records) == 2
        assert host.totals() == {"events": 34, "accepted": 10, "duplicates": 0, "dead_letters": 24}


# Requeue


def reasons(host: Embedded) -> list[str]:
    return [letter["reason"] for letter in host.dead_letters(100)]


def test_a_requeued_letter_is_judged_anew_and_refused_again_if_nothing_changed(host: Embedded) -> None:
    take(
        host,
        event("like"),
        event("like", ts_ms=now_ms() - SETTINGS.events.late_ms - 60_000),
        event("like", ts_ms=now_ms() + DAY_MS),
    )
    letters = host.dead_letters(100)
    assert {word for word in ("too_late", "future") for reason in reasons(host) if word in reason} == {
        "too_late",
        "future",
    }
    assert host.requeue([letter["offset"] for letter in letters]) == {"requeued": 2, "refused": []}
    host.drain()
    assert len(reasons(host)) == 4
    assert [one["original"] for one in host.dead_letters(100)[2:]] == [one["original"] for one in letters]
    assert host.totals()["accepted"] == 1


def test_a_requeued_reversal_is_accepted_once_its_gift_has_come(host: Embedded) -> None:
    """Exactly once: sent again it is a duplicate."""
    gift = event("gift", value=50)
    take(host, event("gift", value=7), event("gift", value=50, reversal_of=gift["event_id"]))
    assert "unknown_reversal" in reasons(host)[0]
    take(host, gift)
    for _ in range(2):
        host.requeue([0])
        host.drain()
    assert len(reasons(host)) == 1
    assert host.totals() == {"events": 5, "accepted": 3, "duplicates": 1, "dead_letters": 1}
    shown = host.show_anchor("a")
    assert shown is not None
    assert shown["windows"]["gift_value"]["24h"] == 7


def test_a_cut_letter_and_one_that_is_gone_are_not_requeued(host: Embedded) -> None:
    take(host, line(event("comment", text="x" * 70_000)), BAD)
    assert [letter["whole"] for letter in host.dead_letters(100)] == [False, True]
    host.folder.log.trim(DEAD_LETTERS, 0, 0)
    report = host.requeue([0, 1, 2, -1])
    assert report["requeued"] == 1
    assert [(one["offset"], one["reason"][:9]) for one in report["refused"]] == [
        (0, "only its "),
        (2, "there is "),
        (-1, "there is "),
    ]
    assert host.lag() == 1
    host.drain()
    host.folder.log.trim(DEAD_LETTERS, 0, 2)
    assert [one["offset"] for one in host.requeue([1])["refused"]] == [1]


# Settings


def test_new_heat_weights_change_the_stored_ranking_and_nothing_else(host: Embedded) -> None:
    """Once, whatever is reloaded; and an anchor's next event is ranked by the new weights too."""
    take(host, event("gift", "rich", value=900), *[event("like", "liked", f"u{k}") for k in range(3)])
    before, digest = host.folder.store.top(HEAT, 10), host.digest()
    assert [anchor for anchor, _ in before] == ["rich", "liked"]
    changed = Settings(learner=SETTINGS.learner, heat=Heat(weights={"likes": 1.0}))
    host.reload(changed)
    after = host.folder.store.top(HEAT, 10)
    assert after[0][0] == "liked"
    assert after != before
    host.reload(changed)
    assert host.folder.store.top(HEAT, 10) == after
    assert host.digest() == digest, "weights are settings, not state"
    take(host, event("like", "rich"))
    assert [anchor for anchor, _ in host.folder.store.top(HEAT, 10)] == ["liked", "rich"]


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        (Settings(learner=SETTINGS.learner, heat=Heat(half_life="1h")), r"heat\.half_life"),
        (Settings(learner=Learner(slots_log2=11)), "learner"),
        (Settings(learner=Learner(slots_log2=10, alpha=0.9)), "learner"),
    ],
    ids=["half_life", "slots", "alpha"],
)
def test_settings_that_do_not_fit_the_folder_are_refused_and_harm_nothing(
    tmp_path: Path, settings: Settings, names: str
) -> None:
    with Embedded.open(tmp_path / "data", SETTINGS) as host:
        take(host, *busy())
        before = host.digest()
    with pytest.raises(ValueError, match=names):
        Embedded.open(tmp_path / "data", settings)
    with Embedded.open(tmp_path / "data", SETTINGS) as host:
        assert host.digest() == before
        take(host, event("like"))


def test_other_heads_fit_the_folder_or_are_refused_clearly(tmp_path: Path) -> None:
    with Embedded.open(tmp_path / "data", SETTINGS) as host:
        take(host, *busy())
    other = Settings(learner=SETTINGS.learner, labels=Labels(heads=("click",)))
    with pytest.raises(ValueError, match="learner"):
        Embedded.open(tmp_path / "data", other)


def test_how_the_log_is_cut_into_steps_leaves_no_trace(tmp_path: Path) -> None:
    """Not in the state, nor in the ranking; control is met first in a step."""
    events = busy()
    digests, ranks = set(), set()
    for batch_events in (1, 3, 5_000):
        settings = Settings(learner=SETTINGS.learner, log=Log(batch_events=batch_events))
        with Embedded.open(tmp_path / f"data{batch_events}", settings) as host:
            host.serving.set_anchor_state("a", {"mode": "pk"})
            append(host, *events)
            assert host.step() == min(batch_events, len(events)) + 1
            assert host.folder.store.offsets(OWNERS[1]) == {CONTROL: 1}
            host.drain()
            assert host.folder.store.offsets(INGEST) == {EVENTS: len(events)}
            digests.add(host.digest()["digest"])
            ranks.add(tuple(host.folder.store.top(HEAT, 10)))
    assert (len(digests), len(ranks)) == (1, 1)


def test_closing_twice_is_closing_once(tmp_path: Path) -> None:
    with Embedded.open(tmp_path / "data", SETTINGS) as host:
        host.close()
    Embedded.open(tmp_path / "data", SETTINGS).close()
