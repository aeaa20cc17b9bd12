"""The OpenAPI document as one plain page for people: no scripts, nothing from elsewhere."""

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
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


# What curl is given for a scheme of HTTP; the values are the reader's own.
_CREDENTIALS: Final = {
    "bearer": '-H "Authorization: Bearer $TOKEN"',
    "basic": '-u "$BASIC_USER:$BASIC_PASSWORD"',
}

_BOUNDS: Final = (("from", "minimum"), ("to", "maximum"))


def page(documents: Mapping[str, Mapping[str, Any]]) -> str:
    """Write the page of documents by their own addresses; the first one's title is the page's."""
    return "\n".join(_lines(documents))


def _lines(documents: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    title = next(iter(documents.values()))["info"]["title"]
    yield '<!doctype html><html lang="en"><head><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>"
    for address, document in documents.items():
        yield from _document(address, document)
    yield "</body></html>"


def _document(address: str, document: Mapping[str, Any]) -> Iterator[str]:
    info = document["info"]
    yield f"<h1>{escape(info['title'])} {escape(info['version'])}</h1>"
    yield f"<p>{_prose(info.get('summary', ''))}</p>"
    for scheme in document["components"].get("securitySchemes", {}).values():
        yield f"<p>Pages that say so ask for <code>Authorization: {scheme['scheme'].title()} …</code>.</p>"
    yield f"<p>The same for machines: <code>{escape(address)}</code>.</p>"
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            yield from _operation(path, method.upper(), operation, document)


def _prose(text: str) -> str:
    """Text in which backticks mark code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def _operation(
    path: str, method: str, operation: Mapping[str, Any], document: Mapping[str, Any]
) -> Iterator[str]:
    locked = " (asks for a credential)" if operation.get("security") else ""
    yield f"<h2><code>{method} {escape(path)}</code>{locked}</h2>"
    yield f"<p><strong>{escape(operation['summary'])}</strong></p>"
    yield f"<p>{_prose(operation.get('description', ''))}</p>"
    if "parameters" in operation:
        yield from _parameters(operation["parameters"], document["components"]["schemas"])
    if "requestBody" in operation:
        yield from _body(operation, document["components"]["schemas"])
        yield f"<pre><code>{escape(_call(path, method, operation, document))}</code></pre>"
    answers = ((code, answer["description"]) for code, answer in sorted(operation["responses"].items()))
    yield from _table(("answer", "means"), answers)


def _schema_of(operation: Mapping[str, Any], schemas: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the body is: of several choices the first, and what it refers to."""
    schema: Mapping[str, Any] = operation["requestBody"]["content"]["application/json"]["schema"]
    choices = schema.get("oneOf") or schema.get("anyOf") or (schema,)
    name = choices[0].get("$ref", "").rpartition("/")[2]
    return schemas[name] if name else choices[0]


def _parameters(parameters: Iterable[Mapping[str, Any]], schemas: Mapping[str, Any]) -> Iterator[str]:
    rows = (
        (
            parameter["name"],
            parameter["in"],
            _kind(parameter["schema"], schemas),
            "yes" if parameter.get("required") else "",
            _rules(parameter["schema"], schemas),
            parameter.get("description", ""),
        )
        for parameter in parameters
    )
    yield from _table(("parameter", "in", "type", "needed", "allowed", "about it"), rows)


def _call(path: str, method: str, operation: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    """The call in a shell; with data curl posts unless it is told otherwise."""
    schemes = document["components"].get("securitySchemes", {})
    wanted = [name for choice in operation.get("security", ()) for name in choice]
    credentials = "".join(f" {_CREDENTIALS[schemes[name]['scheme']]}" for name in wanted)
    other = "" if method == "POST" else f"-X {method} "
    return f"curl {other}\"$ADDRESS{path}\"{credentials} -H 'Content-Type: application/json' -d @body.json"


def _body(operation: Mapping[str, Any], schemas: Mapping[str, Any]) -> Iterator[str]:
    schema = _schema_of(operation, schemas)
    fields = (
        (
            name,
            _kind(field, schemas),
            "yes" if name in schema.get("required", ()) else "",
            _rules(field, schemas),
        )
        for name, field in schema.get("properties", {}).items()
    )
    yield from _table(("field", "type", "needed", "allowed"), fields)
    content = operation["requestBody"]["content"]["application/json"]
    example = json.dumps(content.get("example", schema.get("example", {})), ensure_ascii=False, indent=2)
    yield f"<p>For example, with this in <code>body.json</code>:</p><pre><code>{escape(example)}</code></pre>"


def _choices(field: Mapping[str, Any], schemas: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The field and what it may be, each with what it refers to."""
    choices = [field, *field.get("anyOf", ())]
    return [schemas[one["$ref"].rpartition("/")[2]] if "$ref" in one else one for one in choices]


def _kind(field: Mapping[str, Any], schemas: Mapping[str, Any]) -> str:
    kinds = [choice["type"] for choice in _choices(field, schemas) if "type" in choice]
    return " or ".join(word for kind in kinds for word in ([kind] if isinstance(kind, str) else kind))


def _rules(field: Mapping[str, Any], schemas: Mapping[str, Any]) -> str:
    choices = _choices(field, schemas)
    items = [entry for one in choices if "items" in one for entry in _choices(one["items"], schemas)]
    rules = [rule for choice in (*choices, *items) for rule in _rules_of(choice)]
    return "; ".join(dict.fromkeys(rules))


def _rules_of(choice: Mapping[str, Any]) -> Iterator[str]:
    if "enum" in choice:
        yield ", ".join(json.dumps(value, ensure_ascii=False) for value in choice["enum"])
    bounds = (f"{word} {choice[key]}" for word, key in _BOUNDS if key in choice)
    if said := " ".join(bounds):
        yield said
    if "pattern" in choice:
        yield f"matches {choice['pattern']}"


def _table(heads: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> Iterator[str]:
    yield f"<table><tr>{''.join(f'<th>{head}</th>' for head in heads)}</tr>"
    for row in rows:
        yield f"<tr>{''.join(f'<td>{_prose(str(cell))}</td>' for cell in row)}</tr>"
    yield "</table>"
