"""Lists every setting from the code: `python -m tests.tools.env_example` writes `.env.example`."""

from collections.abc import Iterator
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from config.inference_settings import InferenceGroup
from config.settings import Settings

FILE = Path(__file__).parents[2] / ".env.example"

_HEAD = """\
# Every setting with its default; written from the code by `python -m tests.tools.env_example`.
# Copy to `.env` and take the '#' from what you set; the environment wins over the file. `laurel config show`
# prints what is in force and where from, with secrets masked.
"""


def page() -> str:
    """Return the file as it must stand in the repository."""
    return "\n".join([_HEAD, *_group(Settings, ""), *_section(InferenceGroup, "INFERENCE__")]) + "\n"


def _section(kind: type[BaseModel], prefix: str) -> Iterator[str]:
    yield f"\n# --- {kind.__doc__}\n"
    yield from _group(kind, prefix)


def _group(group: type[BaseModel], prefix: str) -> Iterator[str]:
    for name, field in group.model_fields.items():
        full = f"{prefix}{name}".upper()
        if isinstance(field.default, BaseModel):
            yield from _section(type(field.default), f"{full}__")
        else:
            yield f"# {field.description}{_allowed(field)}"
            yield f"#{full}={_default(field)}"


def _allowed(field: FieldInfo) -> str:
    if field.is_required():
        return " (needed)"
    if choices := tuple(field.examples or ()) or _choices(field.annotation):
        return f" ({', '.join(map(str, choices))})"
    if field.annotation is bool:
        return " (true, false)"
    most = next((f"at most {bound.le}" for bound in field.metadata if isinstance(bound, Le)), None)
    least = next((_least(bound) for bound in field.metadata if isinstance(bound, Ge | Gt)), None)
    bounds = [bound for bound in (least, most) if bound]
    return f" ({', '.join(bounds)})" if bounds else ""


def _least(bound: Ge | Gt) -> str:
    return f"at least {bound.ge}" if isinstance(bound, Ge) else f"more than {bound.gt}"


def _choices(annotation: Any) -> tuple[Any, ...]:
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    if get_origin(annotation) in {Union, UnionType}:
        kinds = [kind for kind in get_args(annotation) if kind is not NoneType]
        return _choices(kinds[0]) if len(kinds) == 1 else ()
    return ()


def _default(field: FieldInfo) -> str:
    if field.is_required() or field.default in (None, (), {}):
        return ""
    if isinstance(field.default, tuple):
        return ",".join(map(str, field.default))
    return str(field.default).lower() if isinstance(field.default, bool) else str(field.default)


if __name__ == "__main__":
    FILE.write_text(page(), encoding="utf-8")
