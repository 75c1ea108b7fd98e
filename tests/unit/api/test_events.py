"""`POST /v1/events`: each event is judged alone; what is valid is stored as it was sent."""

import json
import time
from typing import Any

import pytest

from rtrec.events.codec import Refusal
from tests.unit.api.conftest import AppClient
from tests.unit.api.fake import FakeServing

NDJSON = {"Content-Type": "application/x-ndjson"}


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def like(event_id: str, ts_ms: int | None = None, **more: Any) -> dict[str, Any]:
    given = {"event_id": event_id, "type": "like", "ts_ms": now_ms() if ts_ms is None else ts_ms}
    return given | {"anchor_id": "a1", "user_id": "u1"} | more


def test_valid_events_are_taken_though_others_are_not(client: AppClient, serving: FakeServing) -> None:
    gift = like("e2") | {"type": "gift", "value": -5}
    response = client.post("/v1/events", json={"events": [like("e1"), gift, like("e3")]})
    assert response.status_code == 202
    reason = "gift.value: expected an integer ≥ 0, got -5"
    assert response.json() == {"accepted": 2, "rejected": [{"index": 1, "event_id": "e2", "reason": reason}]}
    assert [json.loads(event)["event_id"] for event in serving.accepted] == ["e1", "e3"]


def test_events_are_stored_as_they_were_sent(client: AppClient, serving: FakeServing) -> None:
    """Bytes are kept: unknown fields, order and spacing are the producer's."""
    raw = b'{ "unknown" : [1, 2], "event_id":"e", "type":"like", "ts_ms":1700000000000,"user_id":7,"anchor_id":"a"}'
    body = b'{"events": [ ' + raw + b" ]}"
    response = client.post("/v1/events", content=body, headers={"Content-Type": "application/json"})
    assert response.json()["accepted"] == 1
    assert serving.accepted == [raw]


def test_one_event_a_line_is_taken_too_and_a_bad_line_is_one_event(client: AppClient, serving: FakeServing) -> None:
    lines = [json.dumps(like("e1")).encode(), b'{"event_id": "e2"', b"", b"\xff", json.dumps(like("e3")).encode()]
    response = client.post("/v1/events", content=b"\n".join(lines) + b"\n", headers=NDJSON)
    answer = response.json()
    assert answer["accepted"] == len(serving.accepted) == 2
    assert [one["index"] for one in answer["rejected"]] == [1, 2]
    assert "UTF-8" in answer["rejected"][1]["reason"]


def test_an_event_from_the_future_is_refused_and_the_bound_is_named(client: AppClient) -> None:
    """60 s are for clocks that are off; more is a mistake that would stop the partition's time."""
    events = [like("near", now_ms() + 50_000), like("far", now_ms() + 70_000)]
    answer = client.post("/v1/events", json={"events": events}).json()
    assert answer["accepted"] == 1
    [refused] = answer["rejected"]
    assert refused["reason"].startswith("like.ts_ms: expected a time no later than 60 s from now, got ")


@pytest.mark.parametrize("clock_off_ms", [-86_400_000, 3_600_000])
def test_sent_ms_shifts_every_time_by_the_clocks_difference(
    client: AppClient, serving: FakeServing, clock_off_ms: int
) -> None:
    """A phone an hour ahead sends what happened 5 s ago: it is stored as 5 s ago, all else as it was."""
    theirs = now_ms() + clock_off_ms
    event = like("é", theirs - 5_000, odd={"deep": [1, "ü"]})
    assert client.post("/v1/events", json={"events": [event], "sent_ms": theirs}).json()["accepted"] == 1
    stored = json.loads(serving.accepted[0])
    assert now_ms() - 7_000 <= stored.pop("ts_ms") <= now_ms() - 5_000
    assert stored == {name: value for name, value in event.items() if name != "ts_ms"}


def test_a_sent_ms_in_seconds_is_refused(client: AppClient, serving: FakeServing) -> None:
    response = client.post("/v1/events", json={"events": [like("e")], "sent_ms": now_ms() // 1_000})
    assert response.status_code == 422
    assert response.json()["errors"][0]["pointer"] == "/sent_ms"
    assert serving.accepted == []


def test_ten_thousand_events_are_taken_and_one_more_is_not(client: AppClient, serving: FakeServing) -> None:
    line = json.dumps(like("e")).encode() + b"\n"
    assert client.post("/v1/events", content=line * 10_000, headers=NDJSON).json()["accepted"] == 10_000
    assert client.post("/v1/events", content=line * 10_001, headers=NDJSON).status_code == 422
    response = client.post("/v1/events", json={"events": [1] * 10_001})
    assert response.json()["errors"][0]["pointer"] == "/events"
    assert len(serving.accepted) == 10_000


def test_whatever_an_event_is_it_is_answered(client: AppClient) -> None:
    events = [None, 7, "x", [], {}, {"type": "gift"}, like("e", type="dance"), like("big", text="x" * 70_000)]
    answer = client.post("/v1/events", json={"events": events}).json()
    assert answer["accepted"] == 0
    assert [one["index"] for one in answer["rejected"]] == list(range(len(events)))
    assert all(Refusal(one["reason"]).reason for one in answer["rejected"])


def test_no_events_are_none_taken(client: AppClient) -> None:
    assert client.post("/v1/events", json={"events": []}).json() == {"accepted": 0, "rejected": []}
    assert client.post("/v1/events", content=b"", headers=NDJSON).json() == {"accepted": 0, "rejected": []}
