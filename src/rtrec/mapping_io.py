"""Mappings come in from TOML files, with every fault named by file and place."""

import tomllib
from pathlib import Path

from rtrec.events.mapping import Mapping
from rtrec.events.mapping_faults import MappingError
from rtrec.events.mapping_table import read_mapping


def load_mapping(path: Path) -> Mapping:
    """Read a mapping; MappingError with every fault, each with the file before its place."""
    try:
        return read_mapping(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise MappingError([f"{path}: cannot be read ({error.strerror})"]) from None
    except MappingError as error:
        raise MappingError([f"{path}: {fault}" for fault in error.faults]) from None
    except (ValueError, RecursionError) as error:
        raise MappingError([f"{path}: expected TOML, got a fault: {error}"]) from None
