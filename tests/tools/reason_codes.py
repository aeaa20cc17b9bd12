"""The reason codes that the source can give, read from its syntax: what a runbook has to explain."""

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
_ROOMS: Final = ("domain", "handlers", "service")
_GIVERS: Final = frozenset(
    {
        *("NeverRetry", "TryLater", "Stop", "ModelUnusable", "EnvelopeRefused", "NotStrictJson"),
        *(
            "Fault",
            "Unreadable",
            "Failure",
            "CannotCancel",
            "CannotDecide",
            "CannotRetry",
            "UnknownGeneration",
        ),
    }
)
_AFTER_A_STATUS: Final = frozenset({"ProblemDetails", "_closing"})  # these give a status of HTTP first
_AFTER_FAULTS: Final = frozenset({"_invalid"})
_CODE: Final = re.compile(r"[a-z]+(_[a-z]+)*")
# Given in the code's own plays and tools, not by a deployment.
_OF_THE_DEMO: Final = frozenset({"demo", "doubled"})
# Ends before anybody could read it: of a role that is starting, or between processes.
_PASSING: Final = frozenset({"starting", "unknown"})


def reason_codes() -> set[str]:
    """Every code that stands in the source as a word, or as a constant that holds one."""
    trees = [tree for room in _ROOMS for tree in _trees(room)]
    constants = dict(constant for tree in trees for constant in _constants(tree))
    found = {code for tree in trees for given in _given(tree) if (code := _word(given, constants))}
    return found - _OF_THE_DEMO - _PASSING


def http_codes(room: str = "") -> set[str]:
    """Those that an answer over HTTP can have by itself, in a room of the service, or in all."""
    trees = _trees(f"service/{room}".rstrip("/"))
    constants = dict(constant for tree in trees for constant in _constants(tree))
    given = (each for tree in trees for each in (*_given_over_http(tree), *_tabled(tree)))
    return {code for each in given if (code := _word(each, constants))}


@cache
def _trees(room: str) -> list[ast.Module]:
    return [ast.parse(path.read_text(encoding="utf-8")) for path in (ROOT / room).rglob("*.py")]


def _given(tree: ast.Module) -> Iterator[ast.expr]:
    """What calls that make an error or a fault are given as its code."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _name(node.func) in _GIVERS:
            yield from (word.value for word in node.keywords if word.arg in {"reason", "code"})
            yield from node.args[:1]
        elif isinstance(node, ast.Call) and _name(node.func).endswith("_fault"):
            yield from (word for word in node.args[:1] if isinstance(word, ast.Constant))


def _given_over_http(tree: ast.Module) -> Iterator[ast.expr]:
    """What is given as the code of a problem's document, also where it is the default of a function."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _name(node.func) in _AFTER_A_STATUS | _AFTER_FAULTS:
            yield from node.args[1:2]
        elif isinstance(node, ast.Call) and _name(node.func) == "unauthorized":
            yield from node.args[:1]
        elif isinstance(node, ast.FunctionDef) and node.name in _AFTER_FAULTS:
            yield from node.args.defaults


def _tabled(tree: ast.Module) -> Iterator[ast.expr]:
    """The code of each row of a table that maps statuses of HTTP to code and sentence."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict):
            rows = zip(node.keys, node.values, strict=True)
            tabled = [(key, row) for key, row in rows if isinstance(row, ast.Tuple)]
            for key, row in tabled:
                if isinstance(key, ast.Attribute) and _name(key.value) == "HTTPStatus":
                    yield from row.elts[:1]


def _constants(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in tree.body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        value = getattr(node, "value", None)
        if isinstance(target, ast.Name) and isinstance(value, ast.Constant) and isinstance(value.value, str):
            yield target.id, value.value


def _word(given: ast.expr, constants: Mapping[str, str]) -> str | None:
    text = given.value if isinstance(given, ast.Constant) else constants.get(_name(given))
    return text if isinstance(text, str) and _CODE.fullmatch(text) else None


def _name(expression: ast.expr) -> str:
    if isinstance(expression, ast.Name):
        return expression.id
    return expression.attr if isinstance(expression, ast.Attribute) else ""
