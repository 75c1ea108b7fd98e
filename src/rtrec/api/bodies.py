"""A request's body: bounded while it streams in, then decoded straight into the struct that documents it.

Rules
-----
- Too large is refused by its Content-Length, or at the chunk that crosses the bound; nothing is parsed before.
- A body says what it is (`Content-Type`): a page of another site cannot post to a loopback API in plain text.
- Malformed JSON is 400; JSON of another shape is 422, with a JSON pointer to the fault.
- Ids may come as integers, as in events: they become their decimal strings.
"""

import re
from typing import Any, TypeVar

import msgspec
from fastapi import Request

from rtrec.api.problems import ApiError, Fault
from rtrec.events.schema import Attribute

MAX_BODY_BYTES = 1 << 20
JSON = "application/json"

T = TypeVar("T")
_PLACE = re.compile(r"^(?P<detail>.*?)(?: - at (?P<key>`key` in )?`\$(?P<path>.*)`)?$", re.DOTALL)
_STEP = re.compile(r"\.([A-Za-z_]\w*)|\[(\d+|\.\.\.)\]")


async def read_body(request: Request, max_bytes: int) -> bytes:
    """The whole body, or 413 (and 415 where it is packed)."""
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise ApiError(
            415, "send the body unpacked: no Content-Encoding is taken", headers={"Accept-Encoding": "identity"}
        )
    too_large = ApiError(413, f"expected a body of at most {max_bytes:,} bytes", headers={"Connection": "close"})
    if int(request.headers.get("content-length") or 0) > max_bytes:
        raise too_large
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > max_bytes:
            raise too_large
        chunks.append(chunk)
    return b"".join(chunks)


def media_type(request: Request, taken: tuple[str, ...] = (JSON,)) -> str:
    """The body's media type, or 415 if it is none of those taken."""
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given in taken:
        return given
    got = f"got {given}" if given else "got none"
    raise ApiError(415, f"Content-Type: expected {' or '.join(taken)}, {got}", headers={"Accept": ", ".join(taken)})


def decode(body: bytes, kind: type[T]) -> T:
    """Read JSON into a struct, or raise the problem to answer with.

    >>> from rtrec.ranking.requests import ScoreRequest
    >>> decode(b'{"user_id": 7, "candidates": ["a1", 2]}', ScoreRequest).candidates
    ['a1', '2']
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        return _again(body, kind, error)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ApiError(400, f"expected JSON: {error}") from None
    except RecursionError:
        raise ApiError(400, "expected JSON, got nesting that is too deep") from None


def _again(body: bytes, kind: type[T], first: msgspec.ValidationError) -> T:
    """The struct, if integers in the place of ids were all that was wrong."""
    loaded: Any = None
    try:
        loaded = _ids_to_text(msgspec.json.decode(body))
        return msgspec.json.decode(msgspec.json.encode(loaded), type=kind)
    except msgspec.ValidationError as error:
        fault = fault_of(str(error), loaded)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        fault = fault_of(str(first), None)
    raise ApiError(422, f"{fault.pointer or 'body'}: {fault.detail}", [fault])


def fault_of(message: str, loaded: Any) -> Fault:
    """A decoder's message as a pointer and what is wrong there.

    >>> fault_of("Expected `str`, got `int` - at `$.candidates[3]`", None)
    Fault(pointer='/candidates/3', detail='expected `str`, got `int`', where='body')
    """
    found = _PLACE.match(message)
    assert found is not None  # noqa: S101 - the pattern takes any text
    steps = [name or number for name, number in _STEP.findall(found["path"] or "")]
    detail = ("name: " if found["key"] else "") + found["detail"][:1].lower() + found["detail"][1:]
    return Fault("".join(f"/{_escaped(step)}" for step in _named(steps, loaded)), detail)


def _named(steps: list[str], loaded: Any) -> list[str]:
    """The steps to a fault, with the name of the attribute that the decoder leaves out (`[...]`)."""
    here = loaded
    for place, step in enumerate(steps):
        if step == "...":
            name = next((name for name, value in here.items() if not _fits(value)), None) if here else None
            return steps[:place] if name is None else [*steps[:place], name, *steps[place + 1 :]]
        if here:
            here = here[int(step)] if isinstance(here, list) else here.get(step)
    return steps


def _fits(value: object) -> bool:
    try:
        msgspec.convert(value, Attribute)
    except msgspec.ValidationError:
        return False
    return True


def _escaped(step: str) -> str:
    return step.replace("~", "~0").replace("/", "~1")


def _ids_to_text(loaded: Any) -> Any:
    if not isinstance(loaded, dict):
        return loaded
    for name in ("user_id", "request_id"):
        if name in loaded:
            loaded[name] = _id_to_text(loaded[name])
    for name in ("candidates", "exclude", "log"):
        if isinstance(loaded.get(name), list):
            loaded[name] = [_id_to_text(one) for one in loaded[name]]
    return loaded


def _id_to_text(value: Any) -> Any:
    if isinstance(value, dict) and "anchor_id" in value:
        return value | {"anchor_id": _id_to_text(value["anchor_id"])}
    return str(value) if value.__class__ is int else value
