"""The page of an OpenAPI document: what a person who has only this page needs for a call."""

import re
from html import unescape
from typing import cast

from service.runtime.web.docs_page import page
from service.runtime.web.openapi_document import Document, Schema

SCHEMAS: dict[str, Schema] = {
    "Size": {"type": "string", "enum": ["small", "large"]},
    "Body": {
        "properties": {
            "key": {"type": "string"},
            "size": {"anyOf": [{"$ref": "#/x/Size"}, {"type": "null"}]},
        },
        "required": ["key"],
        "example": {"key": "a"},
    },
}
PARAMETERS = [
    {
        "name": "size",
        "in": "query",
        "schema": {"anyOf": [{"type": "array", "items": {"$ref": "#/x/Size"}}, {"type": "null"}]},
        "description": "Only `these`.",
    },
    {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 0, "maximum": 2147483647}},
]


def document(title: str, scheme: str, method: str) -> Document:
    """One page of one document."""
    body = {"content": {"application/json": {"schema": {"$ref": "#/x/Body"}}}}
    operation = {
        "summary": "Keep it",
        "description": "Nothing that <is> markup; `update_mask` is code.",
        "security": [{"credential": []}],
        "parameters": PARAMETERS,
        "requestBody": body,
        "responses": {"200": {"description": "Kept; `note` says so."}},
    }
    made = {
        "info": {"title": title, "version": "1"},
        "components": {
            "schemas": dict(SCHEMAS),
            "securitySchemes": {"credential": {"type": "http", "scheme": scheme}},
        },
        "paths": {"/things/{key}": {method: operation}},
    }
    return cast("Document", made)


SHOWN = page(
    {"/openapi.json": document("Own", "bearer", "post"), "/theirs.json": document("DAGs", "basic", "patch")}
)


def rows() -> list[list[str]]:
    """The cells of every table."""
    lines = [re.findall(r"<td>(.*?)</td>", row) for row in re.findall(r"<tr>(.*?)</tr>", SHOWN)]
    return [[unescape(cell) for cell in line] for line in lines if line]


def test_each_document_is_told_by_its_own_address() -> None:
    assert re.findall(r"machines: <code>(.*?)</code>", SHOWN) == ["/openapi.json", "/theirs.json"]
    assert "<title>Own</title>" in SHOWN


def test_a_call_has_its_method_and_the_credential_of_its_document() -> None:
    calls = [unescape(call) for call in re.findall(r"<code>(curl .*?)</code>", SHOWN)]
    end = "-H 'Content-Type: application/json' -d @body.json"
    assert calls == [
        f'curl "$ADDRESS/things/{{key}}" -H "Authorization: Bearer $TOKEN" {end}',
        f'curl -X PATCH "$ADDRESS/things/{{key}}" -u "$BASIC_USER:$BASIC_PASSWORD" {end}',
    ]


def test_parameters_and_fields_say_what_is_allowed() -> None:
    assert rows()[:4] == [
        ["size", "query", "array or null", "", '"small", "large"', "Only <code>these</code>."],
        ["limit", "query", "integer", "", "from 0 to 2147483647", ""],
        ["key", "string", "yes", ""],
        ["size", "string or null", "", '"small", "large"'],
    ]


def test_fields_that_say_what_they_mean_have_a_column_for_it() -> None:
    described = document("Own", "bearer", "post")
    field: Schema = {"type": "string", "description": "Which `one`."}
    described["components"]["schemas"]["Body"] = {"properties": {"key": field}}
    assert "<td>Which <code>one</code>.</td>" in page({"/openapi.json": described})


def test_words_are_broken_nowhere_but_in_what_is_allowed() -> None:
    """A pattern may be longer than any line; the cells of words keep theirs whole."""
    style = SHOWN.partition("<style>")[2].partition("</style>")[0]
    anywhere = [rule for rule in style.split("}") if "overflow-wrap: anywhere" in rule or "break-all" in rule]
    assert [rule.partition("{")[0].strip() for rule in anywhere] == [
        "h2 code",
        ".parameters td:nth-child(5), .fields td:nth-child(4)",
    ]


def test_backticks_become_code_and_nothing_becomes_markup() -> None:
    assert "Nothing that &lt;is&gt; markup; <code>update_mask</code> is code." in SHOWN
    assert ["200", "Kept; <code>note</code> says so."] in rows()
    assert "`" not in SHOWN
