"""The OpenAPI document as one plain page for people: no scripts, nothing from elsewhere."""

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any, Final

_STYLE: Final = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem;
color: #1d2521; }
h2 { margin-top: 2.5rem; border-top: 1px solid #cdd6d0; padding-top: 1rem; }
code, pre { font: 14px/1.45 ui-monospace, monospace; background: #f0f4f1; border-radius: 4px; }
code { padding: .1rem .3rem; } pre { padding: .8rem; overflow-x: auto; } pre code { padding: 0; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; vertical-align: top;
padding: .3rem .6rem; border-bottom: 1px solid #dfe6e1; overflow-wrap: anywhere; }
@media (prefers-color-scheme: dark) { body { background: #141a17; color: #dfe6e1; }
code, pre { background: #222b26; } th, td, h2 { border-color: #35413a; } }
"""
_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
CONTENT_POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_HASH}'; frame-ancestors 'none'; base-uri 'none'"
)


def page(document: Mapping[str, Any]) -> str:
    """Write the page."""
    return "\n".join(_lines(document))


def _lines(document: Mapping[str, Any]) -> Iterator[str]:
    info = document["info"]
    yield '<!doctype html><html lang="en"><head><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>{escape(info['title'])}</title><style>{_STYLE}</style></head><body>"
    yield f"<h1>{escape(info['title'])} {escape(info['version'])}</h1>"
    yield f"<p>{escape(info.get('summary') or 'No model is loaded yet.')}.</p>"
    if "securitySchemes" in document["components"]:
        yield "<p>Pages that say so ask for <code>Authorization: Bearer …</code>.</p>"
    yield "<p>The same for machines: <code>/openapi.json</code>.</p>"
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            yield from _operation(path, method.upper(), operation, document)
    yield "</body></html>"


def _operation(
    path: str, method: str, operation: Mapping[str, Any], document: Mapping[str, Any]
) -> Iterator[str]:
    locked = " (asks for the token)" if operation.get("security") else ""
    yield f"<h2><code>{method} {escape(path)}</code>{locked}</h2>"
    yield f"<p><strong>{escape(operation['summary'])}.</strong></p>"
    yield f"<p>{escape(operation.get('description', ''))}</p>"
    if "requestBody" in operation:
        yield from _body(path, operation, document["components"]["schemas"])
    answers = ((code, answer["description"]) for code, answer in sorted(operation["responses"].items()))
    yield from _table(("answer", "means"), answers)


def _body(path: str, operation: Mapping[str, Any], schemas: Mapping[str, Any]) -> Iterator[str]:
    schema = schemas["Row" if path == "/predict" else "Guard"]
    fields = (
        (name, _kind(field), "yes" if name in schema.get("required", ()) else "", _rules(field))
        for name, field in schema.get("properties", {}).items()
    )
    yield from _table(("field", "type", "needed", "allowed"), fields)
    example = json.dumps(schema.get("example", {}), ensure_ascii=False, indent=2)
    token = " -H 'Authorization: Bearer …'" if operation.get("security") else ""
    call = f"curl \"$INFERENCE_API_URL{path}\"{token} -H 'Content-Type: application/json' -d @body.json"
    yield f"<p>For example, with this in <code>body.json</code>:</p><pre><code>{escape(example)}</code></pre>"
    yield f"<pre><code>{escape(call)}</code></pre>"


def _kind(field: Mapping[str, Any]) -> str:
    kinds = field["type"] if isinstance(field["type"], list) else [field["type"]]
    return " or ".join(kinds)


def _rules(field: Mapping[str, Any]) -> str:
    if "enum" in field:
        return ", ".join(json.dumps(value, ensure_ascii=False) for value in field["enum"])
    bounds = [
        f"{word} {field[key]:g}" for word, key in (("from", "minimum"), ("to", "maximum")) if key in field
    ]
    return " ".join([*bounds, *([f"matches {field['pattern']}"] if "pattern" in field else [])])


def _table(heads: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> Iterator[str]:
    yield f"<table><tr>{''.join(f'<th>{head}</th>' for head in heads)}</tr>"
    for row in rows:
        yield f"<tr>{''.join(f'<td>{escape(str(cell))}</td>' for cell in row)}</tr>"
    yield "</table>"
