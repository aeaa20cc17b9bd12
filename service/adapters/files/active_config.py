"""`active_config.yaml`: read with lines, changed by its three numbers alone.

Other tools read the file while it is written, and people keep comments in it: a change replaces the digits
of the three defaults and leaves every other byte as it is.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from domain.faults import Fault
from domain.values import LARGEST_VERSION, ConfigVersion, Value, VersionTriple
from domain.wording import nearest
from service.adapters.files.yaml_documents import Place, Scalar, YamlDocument, read_document

FILE_NAME: Final = "active_config.yaml"
DEFAULTS: Final = "training_defaults"
FIELDS: Final = ("feature_version", "model_version", "split_version")
_BOM: Final = b"\xef\xbb\xbf"


class ActiveConfig(Value):
    """What production defaults to, and the contract that the data pipeline works by."""

    data_contract_version: ConfigVersion
    training_defaults: VersionTriple


def read_active(data: bytes | None) -> tuple[ActiveConfig, YamlDocument] | list[Fault]:
    """Read the file's bytes (None: there is no file), or name every fault with its line."""
    if data is None:
        return [_fault("", "the file does not exist", 1)]
    document = read_document(FILE_NAME, data)
    if isinstance(document, Fault):
        return [document]
    faults = list(_faults(document))
    return faults or (ActiveConfig.model_validate(_known(document.values)), document)


def _known(values: dict[str, Any]) -> dict[str, object]:
    defaults = {name: values[DEFAULTS][name] for name in FIELDS}
    return {"data_contract_version": values["data_contract_version"], DEFAULTS: defaults}


def _faults(document: YamlDocument) -> Iterator[Fault]:
    yield from _version_faults(document, document.values, ("data_contract_version",))
    defaults = document.values.get(DEFAULTS)
    if not isinstance(defaults, dict):
        text = f"{DEFAULTS} is missing, or is not a map of {', '.join(FIELDS)}"
        text += _misspelt(DEFAULTS, document.values)
        yield _fault(DEFAULTS, text, document.line_of((DEFAULTS,)))
        return
    for name in FIELDS:
        yield from _version_faults(document, defaults, (DEFAULTS, name))


def _version_faults(document: YamlDocument, around: dict[str, object], place: Place) -> Iterator[Fault]:
    name, field = place[-1], ".".join(map(str, place))
    if name not in around:
        yield _fault(field, f"{field} is missing{_misspelt(str(name), around)}", document.line_of(place))
        return
    value = around[str(name)]
    if document.version_at(place, value) is None:
        message = f"{field} is not a version{document.hint(place)}"
        yield _fault(field, message, document.line_of(place))


def _misspelt(name: str, around: Mapping[str, object]) -> str:
    """The key that was probably meant for one that is not there; others are other tools' own."""
    near = nearest(name, sorted(around.keys() - {"data_contract_version", *FIELDS, DEFAULTS}))
    return "" if near is None else f"; is {near} meant for it?"


def _fault(field: str, message: str, line: int) -> Fault:
    allowed = f"an integer from 1 to {LARGEST_VERSION}" if field else None
    return Fault(code="bad_config", field=field, message=message, allowed=allowed, file=FILE_NAME, line=line)


def with_defaults(data: bytes, document: YamlDocument, triple: VersionTriple) -> bytes:
    """The same file with other defaults; `document` is what `data` was read as."""
    text = document.text
    places = {name: document.scalars[DEFAULTS, name] for name in FIELDS}
    for name, scalar in sorted(places.items(), key=_from_the_end):
        text = f"{text[: scalar.start]}{getattr(triple, name)}{text[scalar.end :]}"
    return (_BOM if data.startswith(_BOM) else b"") + text.encode()


def _from_the_end(named: tuple[str, Scalar]) -> int:
    return -named[1].start


def fresh(triple: VersionTriple, data_contract_version: int) -> bytes:
    """The file as it would be written when there is none to keep."""
    lines = [f"data_contract_version: {data_contract_version}", f"{DEFAULTS}:"]
    lines += [f"  {name}: {getattr(triple, name)}" for name in FIELDS]
    return "\n".join([*lines, ""]).encode()
