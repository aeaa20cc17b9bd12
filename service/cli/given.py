"""The settings that somebody gave, by environment or `.env`, for those who start processes elsewhere."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from pydantic import BaseModel, ValidationError
from pydantic_settings import BaseSettings, DotEnvSettingsSource, EnvSettingsSource

from config.inference_settings import InferenceSettings
from config.settings import Settings


def given_settings() -> dict[str, str]:
    """Every setting that is given, as it was written; the environment wins.

    A path is absolute: its reader may stand in another folder.
    """
    written = _written()
    known = {name: value for kind in (Settings, InferenceSettings) for name, value in _known(kind)}
    return {name: _absolute(text, value) for name, value in known.items() if (text := written.get(name))}


def _written() -> Mapping[str, str | None]:
    sources = (DotEnvSettingsSource(Settings), EnvSettingsSource(Settings))
    return {name.upper(): text for source in sources for name, text in source.env_vars.items()}


def _known(kind: type[BaseSettings]) -> Iterator[tuple[str, object]]:
    """Each setting's name with the value in force; None where faults leave it unknown."""
    values: BaseModel | None = None
    with suppress(ValidationError):
        values = kind()
    for name, field in kind.model_fields.items():
        value = getattr(values, name, None)
        if not isinstance(field.default, BaseModel):
            yield name.upper(), value
            continue
        for member in type(field.default).model_fields:
            yield f"{name}__{member}".upper(), getattr(value, member, None)


def _absolute(text: str, value: object) -> str:
    whole = str(Path(text).absolute())
    return whole if str(value) == whole else text
