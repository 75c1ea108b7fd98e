"""The Lua that runs in Redis: the files `redis_*.lua` beside this module, known to servers by their SHA-1."""

import hashlib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

from redis.exceptions import NoScriptError

from rtrec.adapters.redis_client import Client, command

Argument = str | bytes | int


class Script(NamedTuple):
    """One file's text and its name on servers."""

    text: str
    sha: str

    def run(self, client: Client, keys: Sequence[str], arguments: Sequence[Argument] = ()) -> Any:
        """Run it once, where the keys are. A server that does not know it runs nothing, and is sent the text."""
        sent = (len(keys), *keys, *arguments)
        try:
            return command(client, "EVALSHA", self.sha, *sent)
        except NoScriptError:
            return command(client, "EVAL", self.text, *sent)


@cache
def script(name: str) -> Script:
    """The script in `redis_NAME.lua`."""
    text = files("rtrec.adapters").joinpath(f"redis_{name}.lua").read_text(encoding="utf-8")
    return Script(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())
