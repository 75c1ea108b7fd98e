"""Check 3: what HEAT handed on is what the oracle passes on, each event once, and every user by brute force."""

import json
from collections.abc import Iterator, Sequence

from xxhash import xxh3_64_intdigest

from rtrec.features import user_codec
from rtrec.stages import profile
from tests.cluster.check_anchors import Judged
from tests.cluster.standing import Standing
from tests.cluster.topics import Handed
from tests.oracle.compare_users import differences
from tests.oracle.passed import Passed
from tests.oracle.users import UserRules, Users

HOUR_MS = 3_600_000
LATER_MS = (-HOUR_MS, 0, 660_000, 2 * HOUR_MS, 26 * HOUR_MS)


def user_of(passed: Passed) -> str:
    """Whose event it is: a reversal is its gift's giver's."""
    return str(passed.event["user_id"]) if passed.original is None else passed.original.user_id


def handed_on(judged: Sequence[Judged], met: Sequence[Sequence[Handed]]) -> Iterator[str]:
    """`user_events` holds exactly what the oracle passes on, once, in the partitions of the users."""
    wanted = {(f"anchor_events:{n}", at): passed for n, one in enumerate(judged) for at, passed in one.passed.items()}
    for number, events in enumerate(met):
        for one in events:
            place = f"{one.source}:{one.position} in user_events:{number}"
            if (one.source, one.position) not in wanted:
                yield f"{place} was not passed on, or stands there twice: {one.line[:120]!r}"
                continue
            passed = wanted.pop((one.source, one.position))
            if (xxh3_64_intdigest(user_of(passed).encode()) or 1) % len(met) != number:
                yield f"{place} belongs to {user_of(passed)}, elsewhere"
            if json.loads(one.line) != passed.event or one.category != passed.category:
                yield f"{place} is {one.line[:120]!r} in {one.category}, expected {passed}"
    for (source, position), passed in wanted.items():
        yield f"{source}:{position} is lost on its way to user_events: {passed}"


def users(standing: Standing, judged: Sequence[Judged], met: Sequence[Sequence[Handed]]) -> Iterator[str]:
    """Every user at several times, by the records in the store."""
    passed = [one.passed for one in judged]
    for number, events in enumerate(met):
        oracle = Users(UserRules(ttl_days=standing.settings.users.ttl_days))
        for one in events:
            event = passed[int(one.source.rsplit(":", 1)[1])].get(one.position)
            if event is not None:
                oracle.meet(event)
        yield from (f"partition {number}: {fault}" for fault in _partition(standing, number, oracle))


def _partition(standing: Standing, number: int, oracle: Users) -> Iterator[str]:
    owner, policy = standing.owner("profile", number), standing.settings.users
    stored = dict(standing.store.scan(owner))
    newest_ms = profile.decode_time(stored[profile.META_KEY]) if profile.META_KEY in stored else 0
    if newest_ms != oracle.newest_ms:
        yield f"newest event time {newest_ms}, expected {oracle.newest_ms}"
    lead = profile.user_key("")
    known = {key.removeprefix(lead) for key in stored if key.startswith(lead)}
    if extra := known - set(oracle.user_ids):
        yield f"users that nobody has heard of: {sorted(extra)[:3]}"
    for user_id in oracle.user_ids:
        value = stored.get(profile.user_key(user_id))
        record = None if value is None else user_codec.decode(value)
        if record is not None and user_codec.is_expired(record, newest_ms, policy):
            record = None
        for at_ms in (newest_ms + later_ms for later_ms in LATER_MS):
            answer = None if record is None else user_codec.as_json(record, user_id, at_ms)
            faults = differences(answer, oracle.show(user_id, at_ms))
            yield from (f"{user_id} at newest + {at_ms - newest_ms}: {fault}" for fault in faults)
