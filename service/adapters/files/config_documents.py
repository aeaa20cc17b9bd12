"""One versioned file → a value of the domain, or its faults with file, line and what was probably meant."""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Generic, NamedTuple, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from domain.data_contract import DataContract
from domain.faults import Fault
from domain.feature_schema import FeatureSchema
from domain.model_types import ModelDefinition
from domain.resolved_config import Family
from domain.wording import nearest, suggestion
from service.adapters.files.errors import read_small
from service.adapters.files.yaml_documents import MAX_BYTES, Place, YamlDocument, read_document

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


T_co = TypeVar("T_co", covariant=True)

CONTRACTS: Final = TypeAdapter(DataContract)
FEATURES: Final = TypeAdapter(FeatureSchema)
MODELS: Final = TypeAdapter(ModelDefinition)

_NAME: Final = re.compile(
    r"v[1-9][0-9]{0,6}\.yaml"
)  # one name for each version: not v01, not v1 in other digits

_MOST_FAULTS: Final = 100  # of one file: they go into events, and nobody reads more


@dataclass(frozen=True)
class ConfigFile(Generic[T_co]):
    """A file that was read: its version, its name below the root, its digest, its value or its faults.

    `draft` is what a file with faults says if they leave that clear, so that it can be asked about the rest;
    `document` then has the keys that were meant.
    """

    version: int
    name: str
    sha256: str
    document: YamlDocument | None
    draft: T_co | None
    faults: Sequence[Fault]

    @property
    def value(self) -> T_co | None:
        """What may be used: nothing of a file with faults."""
        return None if self.faults else self.draft


class ConfigReader(Generic[T_co]):
    """Reads one family. Parsed files are kept by the digest of their bytes, which are read every time."""

    def __init__(self, root: Path, family: Family, adapter: TypeAdapter[T_co]) -> None:
        self.family = family
        self._folder = root / family
        self._adapter = adapter
        self._parsed: dict[tuple[int, str], ConfigFile[T_co]] = {}

    @cached_property
    def _schema(self) -> FileSchema:
        return FileSchema(self._adapter.json_schema())

    def read(self, version: int) -> ConfigFile[T_co] | None:
        """Read `vN.yaml`; None when there is no such file. The name is made from an integer alone."""
        data = read_small(self._folder / f"v{int(version)}.yaml", MAX_BYTES)
        if data is None:
            return None
        key = (version, hashlib.sha256(data).hexdigest())
        if key not in self._parsed:
            self._parsed[key] = self._parse(version, data, key[1])
        return self._parsed[key]

    def files(self) -> Iterator[ConfigFile[T_co]]:
        """Read every version that there is, smallest first."""
        names = [path.name for path in self._folder.glob("v*.yaml")]
        for version in sorted(int(name[1:-5]) for name in names if _NAME.fullmatch(name)):
            file = self.read(version)
            if file is not None:
                yield file

    def passed_over(self) -> Iterator[str]:
        """Name what lies in the family's folder and is never read: `v1.yml`, `v01.yaml`, a folder."""
        for path in sorted(self._folder.glob("[!.]*")):
            if not (_NAME.fullmatch(path.name) and path.is_file()):
                yield f"{self.family}/{path.name}"

    def valid_versions(self) -> list[int]:
        """The versions whose file can be used by itself, smallest first."""
        return [file.version for file in self.files() if not file.faults]

    def _parse(self, version: int, data: bytes, digest: str) -> ConfigFile[T_co]:
        name = f"{self.family}/v{version}.yaml"
        document = read_document(name, data)
        if isinstance(document, Fault):
            return ConfigFile(version, name, digest, None, None, (document,))
        document, draft, faults = self._judged(document)
        found = (*_version_faults(document, version), *faults)
        return ConfigFile(version, name, digest, document, draft, found)

    def _judged(self, document: YamlDocument) -> tuple[YamlDocument, T_co | None, Sequence[Fault]]:
        """Hold a document against the schema; what a misspelt key hides is found at once with it."""
        faults: list[Fault] = []
        while True:
            try:
                return document, self._adapter.validate_python(document.values), faults
            except ValidationError as error:
                details = error.errors(include_url=False, include_input=False)[:_MOST_FAULTS]
            unknown = list(self._unknown_keys(document, details))
            if not unknown or len(faults) >= _MOST_FAULTS:
                return document, None, [*faults, *_schema_faults(document, details)]
            faults += [_unknown_field(document, key) for key in unknown]
            document = corrected(document, unknown)

    def _unknown_keys(self, document: YamlDocument, details: Sequence[ErrorDetails]) -> Iterator[UnknownKey]:
        for detail in details:
            if detail["type"] == "extra_forbidden":
                yield self._schema.unknown_key(detail["loc"], _place(document, detail))


def located(fault: Fault, document: YamlDocument) -> Fault:
    """Add the line on which a fault's dotted field stands, or the nearest thing around it."""
    parts = fault.field.split(".")
    around = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    line = next((document.fields[field] for field in around if field in document.fields), 1)
    return fault.model_copy(update={"line": line, "file": document.name})


def _version_faults(document: YamlDocument, version: int) -> Iterator[Fault]:
    """Versions are integers, and the file's own is its name's; the schemas alone read them leniently."""
    for field in ("version", "data_contract"):
        found = document.values.get(field)
        if found is not None and document.version_at((field,), found) is None:
            message = f"{field} is not an integer from 1, in digits{document.hint((field,))}"
            yield _fault(document, (field,), "bad_config", message)
        elif field == "version" and found is not None and found != version:
            message = f"the file says version {found}, its name says {version}"
            yield _fault(document, (field,), "bad_config", message)


def _unknown_field(document: YamlDocument, key: UnknownKey) -> Fault:
    message = f"there is no such field{suggestion(str(key.place[-1]), key.allowed)}"
    fault = _fault(document, key.place, "unknown_field", message)
    return fault.model_copy(update={"allowed": ", ".join(key.allowed)})


def _schema_faults(document: YamlDocument, details: Sequence[ErrorDetails]) -> Iterator[Fault]:
    found: dict[Place, list[str]] = {}
    for detail in details:
        found.setdefault(_place(document, detail), []).append(_said(detail))
    for place, messages in found.items():
        yield _fault(
            document, place, "bad_config", ", or ".join(dict.fromkeys(messages)) + document.hint(place)
        )


def _place(document: YamlDocument, detail: ErrorDetails) -> Place:
    """Drop from pydantic's location what is no place in the file: names of types and of union members."""
    place: Place = ()
    for part in detail["loc"]:
        if (*place, part) in document.lines:
            place = (*place, part)
    return (*place, detail["loc"][-1]) if detail["type"] == "missing" else place


def _said(detail: ErrorDetails) -> str:
    text = "is missing" if detail["type"] == "missing" else detail["msg"]
    return text.removeprefix("Value error, ").replace("valid tuple", "valid list").replace("Tuple", "List")


def _fault(document: YamlDocument, place: Place, code: str, message: str) -> Fault:
    field = ".".join(map(str, place))
    text = f"{field}: {message}" if field and not message.startswith(field) else message
    line = document.line_of(place)
    return Fault(code=code, field=field, message=text, file=document.name, line=line)
