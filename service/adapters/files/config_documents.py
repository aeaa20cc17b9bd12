"""One versioned file → a value of the domain, or its faults with file and line."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from domain.data_contract import DataContract
from domain.faults import Fault
from domain.feature_schema import FeatureSchema
from domain.model_definition import ModelDefinition
from domain.resolved_config import Family
from service.adapters.files.small_files import read_small
from service.adapters.files.yaml_documents import MAX_BYTES, Document, Place, read_document

T = TypeVar("T")

CONTRACTS: Final = TypeAdapter(DataContract)
FEATURES: Final = TypeAdapter(FeatureSchema)
MODELS: Final = TypeAdapter(ModelDefinition)

_NAME: Final = re.compile(
    r"v[1-9][0-9]{0,6}\.yaml"
)  # one name for each version: not v01, not v1 in other digits


@dataclass(frozen=True)
class ConfigFile(Generic[T]):
    """A file that was read: its version, its name below the root, its digest, its value or its faults."""

    version: int
    name: str
    sha256: str
    document: Document | None
    value: T | None
    faults: Sequence[Fault]


class ConfigReader(Generic[T]):
    """Reads one family. Parsed files are kept by the digest of their bytes, which are read every time."""

    def __init__(self, root: Path, family: Family, adapter: TypeAdapter[T]) -> None:
        self.family = family
        self._folder = root / family
        self._adapter = adapter
        self._parsed: dict[tuple[int, str], ConfigFile[T]] = {}

    def read(self, version: int) -> ConfigFile[T] | None:
        """Read `vN.yaml`; None when there is no such file. The name is made from an integer alone."""
        data = read_small(self._folder / f"v{int(version)}.yaml", MAX_BYTES)
        if data is None:
            return None
        key = (version, hashlib.sha256(data).hexdigest())
        if key not in self._parsed:
            self._parsed[key] = self._parse(version, data, key[1])
        return self._parsed[key]

    def files(self) -> Iterator[ConfigFile[T]]:
        """Read every version that there is, smallest first."""
        names = [path.name for path in self._folder.glob("v*.yaml")]
        for version in sorted(int(name[1:-5]) for name in names if _NAME.fullmatch(name)):
            file = self.read(version)
            if file is not None:
                yield file

    def valid_versions(self) -> list[int]:
        """The versions whose file can be used by itself, smallest first."""
        return [file.version for file in self.files() if not file.faults]

    def _parse(self, version: int, data: bytes, digest: str) -> ConfigFile[T]:
        name = f"{self.family}/v{version}.yaml"
        document = read_document(name, data)
        if isinstance(document, Fault):
            return ConfigFile(version, name, digest, None, None, (document,))
        read = ConfigFile[T](version, name, digest, document, None, ())
        faults = list(_version_faults(document, version))
        try:
            value = self._adapter.validate_python(document.values)
        except ValidationError as error:
            return replace(read, faults=(*faults, *_schema_faults(document, error)))
        return replace(read, value=None if faults else value, faults=faults)


def located(fault: Fault, document: Document) -> Fault:
    """Add the line on which a fault's dotted field stands, or the nearest thing around it."""
    parts = fault.field.split(".")
    for length in range(len(parts), 0, -1):
        field = ".".join(parts[:length])
        for place, line in document.lines.items():
            if ".".join(map(str, place)) == field:
                return fault.model_copy(update={"line": line, "file": document.name})
    return fault.model_copy(update={"line": 1, "file": document.name})


def _version_faults(document: Document, version: int) -> Iterator[Fault]:
    """Versions are integers, and the file's own is its name's; the schemas alone read them leniently."""
    for field in ("version", "data_contract"):
        found = document.values.get(field)
        if found is not None and document.version_at((field,), found) is None:
            message = f"{field} is not an integer from 1, in digits{document.hint((field,))}"
            yield _fault(document, (field,), "bad_config", message)
        elif field == "version" and found is not None and found != version:
            message = f"the file says version {found}, its name says {version}"
            yield _fault(document, (field,), "bad_config", message)


def _schema_faults(document: Document, error: ValidationError) -> Iterator[Fault]:
    found: dict[tuple[Place, str], list[str]] = {}
    for detail in error.errors(include_url=False, include_input=False):
        place, code = _place(document, detail), _code(detail["type"])
        found.setdefault((place, code), []).append(_said(detail))
    for (place, code), messages in found.items():
        text = ", or ".join(dict.fromkeys(messages)) + document.hint(place)
        yield _fault(document, place, code, text)


def _place(document: Document, detail: ErrorDetails) -> Place:
    """Drop from pydantic's location what is no place in the file: names of types and of union members."""
    place: Place = ()
    for part in detail["loc"]:
        if (*place, part) in document.lines:
            place = (*place, part)
    return (*place, detail["loc"][-1]) if detail["type"] == "missing" else place


def _code(kind: str) -> str:
    return "unknown_field" if kind == "extra_forbidden" else "bad_config"


_PLAINER: Final = {"missing": "is missing", "extra_forbidden": "there is no such field"}


def _said(detail: ErrorDetails) -> str:
    text = _PLAINER.get(detail["type"], detail["msg"])
    return text.removeprefix("Value error, ").replace("valid tuple", "valid list").replace("Tuple", "List")


def _fault(document: Document, place: Place, code: str, message: str) -> Fault:
    field = ".".join(map(str, place))
    text = f"{field}: {message}" if field and not message.startswith(field) else message
    line = document.line_of(place)
    return Fault(code=code, field=field, message=text, file=document.name, line=line)
