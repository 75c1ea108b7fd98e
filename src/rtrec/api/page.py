"""`/docs`: the OpenAPI document as one page that loads nothing from elsewhere: it works without internet."""

import json
from collections.abc import Iterator
from html import escape
from typing import Any, Final

Spec = dict[str, Any]

STYLE: Final = """
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1c2024;background:#fff}
h2{margin:2.5rem 0 .3rem;font-size:1.1rem}h2 code{background:none}
.m{display:inline-block;min-width:3.4rem;color:#0b6e4f}
pre,code{font:13px/1.45 ui-monospace,monospace;background:#f3f4f6;border-radius:4px}pre{padding:.7rem;overflow:auto}
code{padding:.1rem .25rem}table{border-collapse:collapse}td{padding:.15rem .8rem .15rem 0;vertical-align:top}
summary{cursor:pointer;color:#555}nav a{margin-right:1rem}
@media(prefers-color-scheme:dark){body{background:#15171a;color:#e6e8eb}pre,code{background:#22262b}.m{color:#4cc38a}}
"""


def page(document: Spec) -> str:
    """Every operation with its parameters, an example of its body, and its answers."""
    info = document["info"]
    operations = [(path, method, spec) for path, of in document["paths"].items() for method, spec in of.items()]
    links = "".join(f'<a href="#{_anchor(m, p)}">{escape(f"{m.upper()} {p}")}</a> ' for p, m, _ in operations)
    body = "".join(part for path, method, spec in operations for part in _operation(path, method, spec))
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(info['title'])}</title><style>{STYLE}</style>"
        f"<h1>{escape(info['title'])} {escape(info['version'])}</h1>{_prose(info['description'])}"
        f'<p><a href="openapi.json">openapi.json</a> is the same for programs.</p><nav>{links}</nav>{body}</html>'
    )


def _operation(path: str, method: str, spec: Spec) -> Iterator[str]:
    name = f'<span class="m">{method.upper()}</span> {escape(path)}'
    yield f'<h2 id="{_anchor(method, path)}"><code>{name}</code> {escape(spec["summary"])}</h2>'
    yield _prose(spec["description"])
    if "parameters" in spec:
        rows = (
            f"<tr><td><code>{escape(one['name'])}</code><td>{one['in']}<td>{escape(one.get('description', ''))}"
            for one in spec["parameters"]
        )
        yield f"<table>{''.join(rows)}</table>"
    for kind, content in spec.get("requestBody", {}).get("content", {}).items():
        if "example" in content:
            yield f"<pre>{escape(_curl(path, method, kind, content['example']))}</pre>"
    for status, response in spec["responses"].items():
        yield f"<details><summary>{status}: {escape(response['description'])}</summary>{_examples(response)}</details>"


def _examples(response: Spec) -> str:
    shown = [one["example"] for one in response.get("content", {}).values() if "example" in one]
    return "".join(f"<pre>{escape(json.dumps(one, indent=2, ensure_ascii=False))}</pre>" for one in shown)


def _curl(path: str, method: str, kind: str, example: object) -> str:
    target = f"http://127.0.0.1:8000{path.replace('{anchor_id}', 'a1')}"
    data = json.dumps(example, ensure_ascii=False)
    return f"curl -X {method.upper()} {target} -H 'Content-Type: {kind}' \\\n  -d '{data}'"


def _prose(text: str) -> str:
    return "".join(f"<p>{escape(part)}</p>" for part in text.strip().split("\n\n"))


def _anchor(method: str, path: str) -> str:
    return escape(f"{method}-{path.strip('/').replace('/', '-').replace('{', '').replace('}', '')}")
