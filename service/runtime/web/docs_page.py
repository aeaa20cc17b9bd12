"""The OpenAPI document as one plain page for people: no scripts, nothing from elsewhere."""

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from typing import Final

from service.runtime.web.openapi_document import Document, Operation, Parameter, Schema

# A word is broken only where it is longer than a line. On a narrow screen each row is a block of its own, and
# every cell names its column.
_STYLE: Final = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 76rem; margin: 2rem auto; padding: 0 1rem;
color: #1d2521; overflow-wrap: break-word; }
p { max-width: 48rem; }
h2 code { font-size: 1rem; overflow-wrap: anywhere; }
h2 { margin-top: 2.5rem; border-top: 1px solid #cdd6d0; padding-top: 1rem; font-size: 1.25rem; }
code, pre { font: 14px/1.45 ui-monospace, monospace; background: #f0f4f1; border-radius: 4px; }
code { padding: .1rem .3rem; } pre { padding: .8rem; white-space: pre-wrap; } pre code { padding: 0; }
table { border-collapse: collapse; width: 100%; margin: 1rem 0; }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem; border-bottom: 1px solid #dfe6e1; }
td:first-child { white-space: nowrap; }
.parameters td:nth-child(5), .fields td:nth-child(4) { overflow-wrap: anywhere; min-width: 12rem; }
.parameters td:nth-child(6), .fields td:nth-child(5) { min-width: 14rem; }
@media (max-width: 60rem) {
tr:first-child { display: none; } .answers td:first-child { width: 3rem; }
.parameters tr:nth-child(n+2), .fields tr:nth-child(n+2) { display: block; padding: .5rem 0;
border-bottom: 1px solid #dfe6e1; }
.parameters td:nth-child(n), .fields td:nth-child(n) { display: block; border: 0; padding: .1rem 0;
min-width: 0; white-space: normal; }
.parameters td:nth-child(n):empty, .fields td:nth-child(n):empty { display: none; }
td:first-child { font-weight: bold; }
.parameters td:nth-child(2)::before { content: "in: "; }
.parameters td:nth-child(3)::before, .fields td:nth-child(2)::before { content: "type: "; }
.parameters td:nth-child(4)::before, .fields td:nth-child(3)::before { content: "needed: "; }
.parameters td:nth-child(5)::before, .fields td:nth-child(4)::before { content: "allowed: "; }
}
@media (prefers-color-scheme: dark) { body { background: #141a17; color: #dfe6e1; }
code, pre { background: #222b26; } th, td, h2, tr { border-color: #35413a; } }
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


def page(documents: Mapping[str, Document]) -> str:
    """Write the page of documents by their own addresses; the first one's title is the page's."""
    return "\n".join(_lines(documents))


def _lines(documents: Mapping[str, Document]) -> Iterator[str]:
    title = next(iter(documents.values()))["info"]["title"]
    yield '<!doctype html><html lang="en"><head><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>"
    for address, document in documents.items():
        yield from _document(address, document)
    yield "</body></html>"


def _document(address: str, document: Document) -> Iterator[str]:
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


def _operation(path: str, method: str, operation: Operation, document: Document) -> Iterator[str]:
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
    yield from _table("answers", ("answer", "means"), answers)


def _schema_of(operation: Operation, schemas: Mapping[str, Schema]) -> Schema:
    """What the body is: of several choices the first, and what it refers to."""
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    choices = schema.get("anyOf") or [schema]
    name = choices[0].get("$ref", "").rpartition("/")[2]
    return schemas[name] if name else choices[0]


def _parameters(parameters: Iterable[Parameter], schemas: Mapping[str, Schema]) -> Iterator[str]:
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
    yield from _table("parameters", ("parameter", "in", "type", "needed", "allowed", "about it"), rows)


def _call(path: str, method: str, operation: Operation, document: Document) -> str:
    """The call in a shell; with data curl posts unless it is told otherwise."""
    schemes = document["components"].get("securitySchemes", {})
    wanted = [name for choice in operation.get("security", ()) for name in choice]
    credentials = "".join(f" {_CREDENTIALS[schemes[name]['scheme']]}" for name in wanted)
    other = "" if method == "POST" else f"-X {method} "
    return f"curl {other}\"$ADDRESS{path}\"{credentials} -H 'Content-Type: application/json' -d @body.json"


def _body(operation: Operation, schemas: Mapping[str, Schema]) -> Iterator[str]:
    schema = _schema_of(operation, schemas)
    fields = [
        (
            name,
            _kind(field, schemas),
            "yes" if name in schema.get("required", ()) else "",
            _rules(field, schemas),
            field.get("description", ""),
        )
        for name, field in schema.get("properties", {}).items()
    ]
    heads = ("field", "type", "needed", "allowed", "about it")
    shown = len(heads) if any(row[-1] for row in fields) else len(heads) - 1
    yield from _table("fields", heads[:shown], (row[:shown] for row in fields))
    content = operation["requestBody"]["content"]["application/json"]
    example = json.dumps(content.get("example", schema.get("example", {})), ensure_ascii=False, indent=2)
    yield f"<p>For example, with this in <code>body.json</code>:</p><pre><code>{escape(example)}</code></pre>"


def _choices(field: Schema, schemas: Mapping[str, Schema]) -> list[Schema]:
    """The field and what it may be, each with what it refers to."""
    choices = [field, *field.get("anyOf", ())]
    return [schemas[one["$ref"].rpartition("/")[2]] if "$ref" in one else one for one in choices]


def _kind(field: Schema, schemas: Mapping[str, Schema]) -> str:
    kinds = [choice["type"] for choice in _choices(field, schemas) if "type" in choice]
    return " or ".join(word for kind in kinds for word in ([kind] if isinstance(kind, str) else kind))


def _rules(field: Schema, schemas: Mapping[str, Schema]) -> str:
    choices = _choices(field, schemas)
    items = [entry for one in choices if "items" in one for entry in _choices(one["items"], schemas)]
    rules = [rule for choice in (*choices, *items) for rule in _rules_of(choice)]
    return "; ".join(dict.fromkeys(rules))


def _rules_of(choice: Schema) -> Iterator[str]:
    if "enum" in choice:
        yield ", ".join(json.dumps(value, ensure_ascii=False) for value in choice["enum"])
    known = dict(choice)
    bounds = (f"{word} {known[key]}" for word, key in _BOUNDS if key in known)
    if said := " ".join(bounds):
        yield said
    if "const" in choice:
        yield json.dumps(choice["const"], ensure_ascii=False)
    if "pattern" in choice:
        yield f"matches {choice['pattern']}"


def _table(kind: str, heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield f'<table class="{kind}"><tr>{"".join(f"<th>{head}</th>" for head in heads)}</tr>'
    for row in rows:
        yield f"<tr>{''.join(f'<td>{_prose(str(cell))}</td>' for cell in row)}</tr>"
    yield "</table>"
