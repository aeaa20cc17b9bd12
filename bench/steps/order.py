"""Which steps there are, in which order, and what each needs of those before it."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

import yaml

_DONE: Final = "steps.log"


@dataclass(frozen=True)
class Place:
    """One deployment: its folder with `config` and `data`, and what experiment and model are called."""

    folder: Path
    tracking_uri: str
    name: str

    @property
    def data(self) -> Path:
        """The data root."""
        return self.folder / "data"

    @property
    def active_config(self) -> Path:
        """Which versions production runs."""
        return self.folder / "config" / "active_config.yaml"

    def read(self, name: str) -> dict[str, Any]:
        """One document of the configuration."""
        content: dict[str, Any] = yaml.safe_load((self.folder / "config" / f"{name}.yaml").read_text())
        return content

    def done(self) -> list[str]:
        """Names of the steps that ended here, the oldest first."""
        path = self.folder / _DONE
        return path.read_text().split() if path.exists() else []


@dataclass(frozen=True)
class Request:
    """Train this version of the model in this place."""

    place: Place
    model_version: int

    def values(self) -> dict[str, Any]:
        """The same as plain values, for tools that hand on no others."""
        place = self.place
        return {
            "folder": str(place.folder),
            "tracking_uri": place.tracking_uri,
            "name": place.name,
            "model_version": self.model_version,
        }

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """The request of such values."""
        place = Place(Path(values["folder"]), values["tracking_uri"], values["name"])
        return cls(place, int(values["model_version"]))


class Step(NamedTuple):
    """One function of this package, called with the request and with what these steps gave."""

    name: str
    file: str
    needs: tuple[str, ...]


STEPS: Final = (
    Step("split", "split", ()),
    Step("version", "version", ()),  # of the files that the split has written
    Step("train", "model", ("split", "version")),
    Step("evaluate", "model", ("split", "train")),
    Step("decide", "decision", ("train", "evaluate")),
    Step("promote", "decision", ("train", "evaluate", "decide")),
)


def call(step: Step, request: Request, given: Mapping[str, Any]) -> Any:
    """Run one step, and note that it ended."""
    function = getattr(import_module(f"bench.steps.{step.file}"), step.name)
    value = function(request, *(given[name] for name in step.needs))
    with (request.place.folder / _DONE).open("a") as done:
        done.write(f"{step.name}\n")
    return value


def call_all(request: Request) -> float:
    """Run one step after the other; return the candidate's error, and raise unless it was promoted."""
    given: dict[str, Any] = {}
    for step in STEPS:
        given[step.name] = call(step, request, given)
    return float(given["promote"])
