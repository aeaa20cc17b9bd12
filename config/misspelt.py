"""Variables that are nearly settings: a wish that nobody would hear of. And former names, which work on."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from pydantic import AliasChoices, BaseModel

MOST_SLIPS: Final = 2
_SHORT: Final = 10  # letters: of a shorter name two slips may leave another word
_WORDS: Final = 3  # a group's member of fewer words is easily somebody else's name: LOG_LEVEL, API_PORT
_OTHERS: Final = {"DATABASE_URI": "DATABASE_URL"}  # somebody else's, where both are set


class Misspelt(NamedTuple):
    """A variable, and the setting that was meant."""

    name: str
    meant: str

    def __str__(self) -> str:
        """Say it to a person."""
        return f"{self.name} is not a setting; did you mean {self.meant}?"


class Renamed(NamedTuple):
    """A variable by a setting's former name, and the name of now."""

    name: str
    now: str

    def __str__(self) -> str:
        """Say it to a person."""
        return f"{self.name} still works and is now called {self.now}: rename it"


def former_names(group: type[BaseModel], prefix: str = "") -> Iterator[Renamed]:
    """Every former name of a setting that still works."""
    for name, field in group.model_fields.items():
        full = f"{prefix}{name}".upper()
        if isinstance(field.default, BaseModel):
            yield from former_names(type(field.default), f"{full}__")
        elif isinstance(field.validation_alias, AliasChoices):
            former = (str(one) for one in field.validation_alias.choices if one != name)
            yield from (Renamed(f"{prefix}{one}".upper(), full) for one in former)


def setting_names(group: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Every setting as the environment names it."""
    for name, field in group.model_fields.items():
        full = f"{prefix}{name}".upper()
        if isinstance(field.default, BaseModel):
            yield from setting_names(type(field.default), f"{full}__")
        else:
            yield full


def misspelt(given: Iterable[str], names: Iterable[str]) -> list[Misspelt]:
    """Find those of the given variables that are nearly, and not exactly, one of these settings.

    A variable that looks like somebody else's is left alone.
    """
    settings, variables = [*names], {name.upper() for name in given}
    others = {name for name in variables.difference(settings) if _OTHERS.get(name) not in variables}
    found = {name: _meant(name, settings) for name in sorted(others)}
    return [Misspelt(name, meant) for name, meant in found.items() if meant is not None]


def _meant(name: str, settings: Iterable[str]) -> str | None:
    slips = {setting: slip for setting in settings if (slip := _slips(name, setting)) is not None}
    return min(slips, key=slips.__getitem__, default=None)


def _slips(name: str, setting: str) -> int | None:
    """How many slips lie between them; None where nobody would take one for the other."""
    if abs(len(name) - len(setting)) > MOST_SLIPS or len({*name} ^ {*setting}) > 2 * MOST_SLIPS:
        return None
    if "__" in setting and "__" not in name:
        same = name == setting.replace("__", "_") and name.count("_") >= _WORDS - 1
        return 1 if same else None
    if name.removeprefix(setting).strip("_").isdigit():  # a second one of its kind
        return None
    slips = _distance(name, setting)
    return slips if slips <= (1 if len(setting) < _SHORT else MOST_SLIPS) else None


def _distance(one: str, other: str) -> int:
    """Letters to add, to leave out, to change, or to swap with their neighbours."""
    rows: list[list[int]] = [[*range(len(other) + 1)]]
    for i, letter in enumerate(one, start=1):
        row = [i]
        for j, wanted in enumerate(other, start=1):
            best = min(rows[-1][j] + 1, row[j - 1] + 1, rows[-1][j - 1] + (letter != wanted))
            if i > 1 and j > 1 and (letter, one[i - 2]) == (other[j - 2], wanted):
                best = min(best, rows[-2][j - 2] + 1)
            row.append(best)
        rows.append(row)
    return rows[-1][-1]


def near_settings(variables: Mapping[str, object], kind: type[BaseModel]) -> list[Misspelt]:
    """Those of the variables that are nearly settings of this kind."""
    return misspelt(variables, setting_names(kind))


def renamed_settings(variables: Iterable[str], kind: type[BaseModel]) -> list[Renamed]:
    """Those of the variables that are settings of this kind by a former name."""
    given = {name.upper() for name in variables}
    return [former for former in former_names(kind) if former.name in given]
