"""The keys that a file may have at a place, and the file as it was probably meant where one is misspelt."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from domain.wording import nearest
from service.adapters.files.yaml_documents import Place, YamlDocument

_Node = Mapping[str, Any]


class UnknownKey(NamedTuple):
    """A key that a file may not have: what it may have there, and the nearest of that."""

    place: Place
    allowed: Sequence[str]
    meant: str | None


class FileSchema:
    """What pydantic's JSON Schema says of a file's keys."""

    def __init__(self, schema: _Node) -> None:
        self._schema = schema

    def unknown_key(self, location: Place, place: Place) -> UnknownKey:
        """Say it of a key at `place` in the file; `location` is the same as pydantic names it."""
        node = self._schema
        for part in location[:-1]:
            node = next(self._below(node, part), {})
        allowed = [name for form in self._forms(node) for name in form.get("properties", {})]
        meant = nearest(str(location[-1]), allowed)
        return UnknownKey(place, allowed, None if meant is None else str(meant))

    def _below(self, node: _Node, part: str | int) -> Iterator[_Node]:
        """What is said of a part: of the member of a union that is tagged so, of a field, of any key."""
        forms = self._forms(node)
        yield from (form for form in forms if part in _tags(form))
        for form in forms:
            rest = form.get("additionalProperties", form.get("items"))
            found = form.get("properties", {}).get(part, rest)
            if isinstance(found, Mapping):
                yield found

    def _forms(self, node: _Node) -> Sequence[_Node]:
        """What may stand there: of a union all its members."""
        node = self._resolved(node)
        return [node, *map(self._resolved, (*node.get("oneOf", ()), *node.get("anyOf", ())))]

    def _resolved(self, node: _Node) -> _Node:
        name = str(node.get("$ref", "")).rpartition("/")[2]
        found: _Node = self._schema["$defs"][name] if name else node
        return found


def _tags(form: _Node) -> set[str]:
    return {field["const"] for field in form.get("properties", {}).values() if "const" in field}


def corrected(document: YamlDocument, unknown: Sequence[UnknownKey]) -> YamlDocument:
    """The document with the keys that were probably meant, each on its line, and without the others."""
    names = {key.place: _name(document, key) for key in unknown}
    return YamlDocument(
        document.name,
        document.text,
        _renamed(document.values, (), names),
        {_moved(place, names): line for place, line in document.lines.items()},
        {_moved(place, names): scalar for place, scalar in document.scalars.items()},
    )


def _name(document: YamlDocument, key: UnknownKey) -> str | None:
    return None if key.meant is None or (*key.place[:-1], key.meant) in document.lines else key.meant


def _renamed(value: Any, place: Place, names: Mapping[Place, str | None]) -> Any:
    if isinstance(value, list):
        return [_renamed(one, (*place, index), names) for index, one in enumerate(value)]
    if not isinstance(value, dict):
        return value
    kept = ((key, (*place, key), one) for key, one in value.items())
    return {
        name: _renamed(one, there, names)
        for key, there, one in kept
        if (name := names.get(there, key)) is not None
    }


def _moved(place: Place, names: Mapping[Place, str | None]) -> Place:
    return tuple(names.get(place[: end + 1]) or part for end, part in enumerate(place))
