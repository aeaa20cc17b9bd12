"""The OpenAPI document as one plain page for people: no scripts, nothing from elsewhere."""

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
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


def page(*documents: Mapping[str, Any]) -> str:
    """Write the page; of several documents the first one's title is the page's."""
    return "\n".join(_lines(documents))


def _lines(documents: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield '<!doctype html><html lang="en"><head><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>{escape(documents[0]['info']['title'])}</title><style>{_STYLE}</style></head><body>"
    for document in documents:
        yield from _document(document)
    yield "</body></html>"


def _document(document: Mapping[str, Any]) -> Iterator[str]:
    info = document["info"]
    yield f"<h1>{escape(info['title'])} {escape(info['version'])}</h1>"
    yield f"<p>{escape(info.get('summary', ''))}</p>"
    for scheme in document["components"].get("securitySchemes", {}).values():
        yield f"<p>Pages that say so ask for <code>Authorization: {scheme['scheme'].title()} …</code>.</p>"
    yield "<p>The same for machines: <code>/openapi.json</code>.</p>"
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            yield from _operation(path, method.upper(), operation, document)


def _operation(
    path: str, method: str, operation: Mapping[str, Any], document: Mapping[str, Any]
) -> Iterator[str]:
    locked = " (asks for a credential)" if operation.get("security") else ""
    yield f"<h2><code>{method} {escape(path)}</code>{locked}</h2>"
    yield f"<p><strong>{escape(operation['summary'])}</strong></p>"
    yield f"<p>{escape(operation.get('description', ''))}</p>"
    if "requestBody" in operation:
        yield from _body(path, operation, document["components"]["schemas"])
    answers = ((code, answer["description"]) for code, answer in sorted(operation["responses"].items()))
    yield from _table(("answer", "means"), answers)


def _schema_of(operation: Mapping[str, Any], schemas: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the body is: of several choices the first, and what it refers to."""
    schema: Mapping[str, Any] = operation["requestBody"]["content"]["application/json"]["schema"]
    choices = schema.get("oneOf") or schema.get("anyOf") or (schema,)
    name = choices[0].get("$ref", "").rpartition("/")[2]
    return schemas[name] if name else choices[0]


def _body(path: str, operation: Mapping[str, Any], schemas: Mapping[str, Any]) -> Iterator[str]:
    schema = _schema_of(operation, schemas)
    fields = (
        (name, _kind(field), "yes" if name in schema.get("required", ()) else "", _rules(field))
        for name, field in schema.get("properties", {}).items()
    )
    yield from _table(("field", "type", "needed", "allowed"), fields)
    content = operation["requestBody"]["content"]["application/json"]
    example = json.dumps(content.get("example", schema.get("example", {})), ensure_ascii=False, indent=2)
    token = " -H 'Authorization: …'" if operation.get("security") else ""
    call = f"curl \"$ADDRESS{path}\"{token} -H 'Content-Type: application/json' -d @body.json"
    yield f"<p>For example, with this in <code>body.json</code>:</p><pre><code>{escape(example)}</code></pre>"
    yield f"<pre><code>{escape(call)}</code></pre>"


def _kind(field: Mapping[str, Any]) -> str:
    choices = [field, *field.get("anyOf", ())]
    kinds = [choice["type"] for choice in choices if "type" in choice]
    return " or ".join(word for kind in kinds for word in ([kind] if isinstance(kind, str) else kind))


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
