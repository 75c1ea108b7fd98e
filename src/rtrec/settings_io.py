"""Settings come in (defaults, a TOML file, the environment) with every fault named, and go out as TOML.

Rules
-----
- The later source wins, setting by setting: built-in defaults, then the file, then `RTREC_{SECTION}_{KEY}`, then
  what a command was given.
  A table such as `heat.weights` is one setting and is replaced whole.
- Every fault is reported, one message each: `heat.half_life: expected one of 1m, 10m, 1h, got "2m"`.
- What a setting may be is read from its type and `Meta` in `settings`; only what a type cannot say
  (names that must be known, attributes that must be declared) is written here.
"""

import json
import math
import re
import textwrap
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta, Struct

from rtrec.learning import river_spec
from rtrec.settings import HEADS, METRICS, Settings

DEFAULT_FILE = Path("rtrec.toml")
COMMENT_WIDTH = 118
MAX_INT = 10**15
"""Most that any integer may be: 30,000 years in ms; what is larger is a slip of the finger."""

ADDRESSES = {"RTREC_KAFKA": ("kafka", "bootstrap"), "RTREC_REDIS": ("redis", "url")}
"""Variables that set one setting by a name of the contract's, not by section and key."""
NOT_OURS = frozenset({"RTREC_REDIS_CLUSTER"})
"""Written by `make services` for whoever wants it as RTREC_REDIS; it only looks like section and key."""

Raw = dict[str, dict[str, Any]]


class SettingsError(ValueError):
    """Settings that cannot be used; `faults` has one message for each fault."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


def load(path: Path | None, environ: Mapping[str, str], given: Mapping[str, str] = MappingProxyType({})) -> Settings:
    """Read settings and check them.

    Parameters
    ----------
    path: a TOML file, which must be there; None takes `rtrec.toml` of the working directory if it is there.
    environ: the environment; only names of a section (`RTREC_HEAT_…`) are read, other `RTREC_` names are not ours.
    given: `section.key` → text, read as a variable's is.

    >>> load(None, {"RTREC_HEAT_HALF_LIFE": "1m"}).heat.half_life
    '1m'
    >>> load(None, {"RTREC_HEAT_HALF_LIFE": "2m"})
    Traceback (most recent call last):
    rtrec.settings_io.SettingsError: heat.half_life: expected one of 1m, 10m, 1h, got "2m" (from RTREC_HEAT_HALF_LIFE)
    """
    raw, faults = _tables(_read(path))
    sources, texts = {}, {}
    for name, section, key, value in _from_environment(environ):
        raw.setdefault(section, {})[key] = value
        sources[f"{section}.{key}"], texts[f"{section}.{key}"] = name, environ[name]
    for where, text in given.items():
        section, _, key = where.partition(".")
        if section not in sections():
            faults.append(_unknown(where, sections()))
            continue
        raw.setdefault(section, {})[key] = _from_text(text)
        sources.pop(where, None)
        texts[where] = text
    usable: Raw = {}
    for section, values in raw.items():
        keys = get_type_hints(sections()[section], include_extras=True)
        usable[section] = {}
        for key, value in values.items():
            where = f"{section}.{key}"
            if where in texts and key in keys and _base(keys[key]) is str and not isinstance(value, str):
                value = texts[where]  # noqa: PLW2901 - a text may look like a number: a password, say
            found = list(faults_of(keys[key], value, where)) if key in keys else [_unknown(where, keys)]
            if not found:
                usable[section][key] = value
            faults += [f"{fault} (from {sources[where]})" if where in sources else fault for fault in found]
    settings = msgspec.convert(usable, Settings)
    faults += _faults_of_meaning(settings)
    if faults:
        raise SettingsError(faults)
    return settings


def masked(settings: Settings) -> Settings:
    """The settings as they may be shown: what is secret is replaced by stars.

    >>> masked(load(None, {"RTREC_REDIS": "redis://:secret@host:1"})).redis.url
    'redis://:***@host:1'
    """
    kafka, redis = settings.kafka, settings.redis
    kafka = msgspec.structs.replace(kafka, password="***" if kafka.password else "")
    redis = msgspec.structs.replace(redis, url=re.sub(r"(://[^:/@]*:)[^@]*@", r"\1***@", redis.url))
    return msgspec.structs.replace(settings, kafka=kafka, redis=redis)


def as_toml(settings: Settings, *, explained: bool = False) -> str:
    """Write settings as TOML that `load` reads back to the same.

    explained: with each section's and each setting's meaning as comments.
    """
    lines = []
    for section, kind in sections().items():
        lines.append(f"# {kind.__doc__}\n[{section}]" if explained else f"[{section}]")
        for key, hint in get_type_hints(kind, include_extras=True).items():
            if explained:
                lines += textwrap.wrap(meaning(hint), COMMENT_WIDTH, initial_indent="# ", subsequent_indent="# ")
            lines.append(f"{key} = {_toml(msgspec.to_builtins(getattr(getattr(settings, section), key)))}")
        lines.append("")
    return "\n".join(lines)


def sections() -> dict[str, type[Struct]]:
    """Name the sections and their structs, in the order of `Settings`."""
    return get_type_hints(Settings)


def meaning(hint: Any) -> str:
    """Give the description that a setting's `Meta` carries."""
    return next((meta.description for meta in _metas(hint) if meta.description), "")


def expected(hint: Any) -> str:
    """Word what a setting may be.

    >>> expected(Annotated[int, Meta(ge=0, le=9)]), expected(tuple[str, ...])
    ('an integer ≥ 0 and ≤ 9', 'a list, each a string')
    """
    base = _base(hint)
    if get_origin(base) is Literal:
        return "one of " + ", ".join(get_args(base))
    if get_origin(base) is dict:
        return f"a table of names, each {expected(get_args(base)[1])}"
    if get_origin(base) is tuple:
        return f"a list{_bounds(hint)}, each {expected(get_args(base)[0])}"
    words = {Any: "a value", int: "an integer", float: "a number", str: "a string", bool: "true or false"}
    return words.get(base, "a table") + _bounds(hint)


def faults_of(hint: Any, value: object, where: str) -> Iterator[str]:
    """Compare a value with a setting's type, down to the last item, and word every fault."""
    base = _base(hint)
    if base is Any:
        return
    inner = get_args(base)
    wrong = f"{where}: expected {expected(hint)}, got {_shown(value)}"
    if get_origin(base) is Literal:
        if value not in inner:
            yield wrong
    elif get_origin(base) is dict and isinstance(value, dict):
        for name, one in value.items():
            yield from faults_of(inner[1], one, f"{where}.{name}")
    elif get_origin(base) is tuple and isinstance(value, list) and _within(hint, len(value)):
        for place, one in enumerate(value):
            yield from faults_of(inner[0], one, f"{where}[{place}]")
    elif isinstance(base, type) and issubclass(base, Struct) and isinstance(value, dict):
        yield from _faults_of_struct(base, value, where)
    elif not _scalar_fits(hint, value):
        yield wrong


def _faults_of_struct(kind: type[Struct], value: dict[str, Any], where: str) -> Iterator[str]:
    keys = get_type_hints(kind, include_extras=True)
    for name in kind.__struct_fields__:
        if name in value:
            yield from faults_of(keys[name], value[name], f"{where}.{name}")
    yield from (_unknown(f"{where}.{name}", keys) for name in value if name not in keys)
    needed = kind.__struct_fields__[: len(keys) - len(kind.__struct_defaults__)]
    yield from (f"{where}.{name}: missing" for name in needed if name not in value)


def _scalar_fits(hint: Any, value: object) -> bool:
    base = _base(hint)
    if base is bool or isinstance(value, bool):
        return base is bool and isinstance(value, bool)
    if base is int:
        return isinstance(value, int) and value <= MAX_INT and _within(hint, value)
    if base is float:
        return isinstance(value, int | float) and math.isfinite(value) and _within(hint, value)
    return base is str and isinstance(value, str) and _within(hint, len(value))


def _within(hint: Any, figure: float) -> bool:
    """Whether a number, or the length of a text or list, is inside every bound of its hint."""
    for meta in _metas(hint):
        low = meta.ge if meta.ge is not None else meta.min_length
        high = meta.le if meta.le is not None else meta.max_length
        if (low is not None and figure < low) or (high is not None and figure > high):
            return False
        if (meta.gt is not None and figure <= meta.gt) or (meta.lt is not None and figure >= meta.lt):
            return False
    return True


def _bounds(hint: Any) -> str:
    unit = " characters" if _base(hint) is str else ""
    words = []
    for meta in _metas(hint):
        signs = (("≥", meta.ge), (">", meta.gt), ("≤", meta.le), ("<", meta.lt))
        words += [f"{sign} {bound}" for sign, bound in signs if bound is not None]
        words += [f"of at least {meta.min_length}{unit}"] if meta.min_length is not None else []
        words += [f"of at most {meta.max_length}{unit}"] if meta.max_length is not None else []
    return " " + " and ".join(words) if words else ""


def _base(hint: Any) -> Any:
    return get_args(hint)[0] if get_origin(hint) is Annotated else hint


def _metas(hint: Any) -> tuple[Meta, ...]:
    return get_args(hint)[1:] if get_origin(hint) is Annotated else ()


def _read(path: Path | None) -> dict[str, Any]:
    if path is None and not DEFAULT_FILE.is_file():
        return {}
    path = path or DEFAULT_FILE
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError([f"{path}: cannot be read ({error.strerror})"]) from error
    except ValueError as error:
        raise SettingsError([f"{path}: expected TOML, got a fault: {error}"]) from error


def _tables(loaded: dict[str, Any]) -> tuple[Raw, list[str]]:
    """Keep the known sections that are tables; word what is wrong with the others."""
    raw, faults = {}, []
    for section, values in loaded.items():
        if section not in sections():
            faults.append(_unknown(section, sections()))
        elif not isinstance(values, dict):
            faults.append(f"{section}: expected a table, got {_shown(values)}")
        else:
            raw[section] = dict(values)
    return raw, faults


def _from_environment(environ: Mapping[str, str]) -> Iterator[tuple[str, str, str, Any]]:
    """Yield (name, section, key, value) of each variable that names a section."""
    for name, text in sorted(environ.items()):
        if name in ADDRESSES and text:
            yield (name, *ADDRESSES[name], text)
        if name in NOT_OURS:
            continue
        for section in sections():
            prefix = f"RTREC_{section.upper()}_"
            if name.startswith(prefix):
                yield name, section, name.removeprefix(prefix).lower(), _from_text(text)


def _from_text(text: str) -> Any:
    """Read a variable as one TOML value, or as the string it is."""
    try:
        loaded = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    return loaded["value"] if len(loaded) == 1 else text


def _unknown(where: str, known: Mapping[str, Any]) -> str:
    return f"{where}: unknown; known are {', '.join(known)}"


def _faults_of_meaning(settings: Settings) -> list[str]:
    """What types cannot say: names that must be known, and attributes that must be declared."""
    heat, heads = settings.heat, settings.labels.heads
    faults = []
    for key, table in (("weights", heat.weights), ("event_caps", heat.event_caps), ("user_caps", heat.user_caps)):
        faults += [_not_among(f"heat.{key}", METRICS, name) for name in table if name not in METRICS]
    faults += [_not_among("labels.heads", HEADS, head) for head in heads if head not in HEADS]
    faults += [f'labels.heads: "{head}" stands twice' for head in sorted({h for h in heads if heads.count(h) > 1})]
    exponents = settings.ranking.exponents
    faults += [_not_among("ranking.exponents", HEADS, head) for head in exponents if head not in HEADS]
    faults += [*_faults_of_attributes(settings), *_faults_of_zone(settings.features.zone)]
    cluster, labels = bool(settings.kafka.bootstrap), settings.labels
    weighted = labels.negative_share < 1 or labels.policy == "fast_slow"
    return [*faults, *river_spec.faults(settings.learner, on_cluster=cluster, weighted=weighted)]


def _faults_of_attributes(settings: Settings) -> Iterator[str]:
    names = [attribute.name for attribute in settings.features.attributes]
    for place, attribute in enumerate(settings.features.attributes):
        where = f"features.attributes[{place}]"
        if attribute.name in names[:place]:
            yield f'{where}.name: "{attribute.name}" is declared twice'
        others = ["category", *(name for name in names if name != attribute.name)]
        yield from (_not_among(f"{where}.crosses", others, one) for one in attribute.crosses if one not in others)


def _faults_of_zone(zone: str) -> Iterator[str]:
    try:
        ZoneInfo(zone)
    except (LookupError, ValueError, OSError):
        yield f"features.zone: expected an IANA time zone such as Asia/Shanghai, got {_shown(zone)}"


def _not_among(where: str, known: tuple[str, ...] | list[str], got: str) -> str:
    return f"{where}: expected names of {', '.join(known)}, got {_shown(got)}"


def _shown(value: object) -> str:
    if isinstance(value, dict | list):
        return "a table" if isinstance(value, dict) else f"a list of {len(value)}"
    return json.dumps(value, ensure_ascii=False, default=str)


def _toml(value: object) -> str:
    """Write one value; JSON's scalars are TOML's, once DEL is escaped."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{name} = {_toml(one)}" for name, one in value.items()) + " }" if value else "{}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml(one) for one in value) + "]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
