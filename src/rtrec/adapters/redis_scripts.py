"""The Lua that runs in Redis: the files `redis_*.lua` beside this module, known to servers by their SHA-1."""

import hashlib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

import redis
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

    def run_many(self, client: redis.Redis, calls: Sequence[tuple[Sequence[str], Sequence[Argument]]]) -> list[Any]:
        """`run` for several (keys, arguments) in one round trip; an error stands in place of its answer."""
        with client.pipeline(transaction=False) as pipeline:
            for keys, arguments in calls:
                command(pipeline, "EVALSHA", self.sha, len(keys), *keys, *arguments)
            answers = pipeline.execute(raise_on_error=False)
        for place, (keys, arguments) in enumerate(calls):
            if isinstance(answers[place], NoScriptError):
                answers[place] = self.run(client, keys, arguments)
        return answers


@cache
def script(name: str) -> Script:
    """The script in `redis_NAME.lua`."""
    text = files("rtrec.adapters").joinpath(f"redis_{name}.lua").read_text(encoding="utf-8")
    return Script(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())
