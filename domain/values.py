"""What every value and document of the domain has in common, and the three versions that say which model."""

import re
from collections.abc import Callable, Iterable
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, PlainValidator
from pydantic_core import PydanticKnownError

_SHA256: Final = "[0-9a-f]{64}"
Sha256 = Annotated[str, Field(pattern=f"^{_SHA256}$")]
LARGEST_VERSION: Final = 1_000_000
ConfigVersion = Annotated[int, Field(ge=1, le=LARGEST_VERSION)]

# int() takes `01`, `+1`, `1_0`, other scripts' digits and spaces as well: another text for each tool.
_VERSION: Final = re.compile("[1-9][0-9]{0,6}")


def one_of(names: Callable[[], Iterable[str]]) -> PlainValidator:
    """Take one of the names that a table holds at that moment; others are refused as by a Literal."""

    def known(value: object) -> str:
        allowed = tuple(names())
        if isinstance(value, str) and value in allowed:
            return value
        *first, last = map(repr, allowed)
        raise PydanticKnownError("literal_error", {"expected": f"{', '.join(first)} or {last}"})

    return PlainValidator(known)


def is_sha256(text: str) -> bool:
    """True for a digest as `Sha256` spells it."""
    return re.fullmatch(_SHA256, text) is not None


def spelled_version(text: str) -> int | None:
    """The version that a text spells, None when it spells none: there is one spelling for each."""
    number = int(text) if _VERSION.fullmatch(text) else 0
    return number if 1 <= number <= LARGEST_VERSION else None


class Value(BaseModel):
    """A frozen value: compared by content, and never holding NaN or infinity.

    Unknown fields are refused: a typo in something a person wrote is a fault, not a wish.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        hide_input_in_errors=True,
        protected_namespaces=(),
        defer_build=True,
    )

    def __setstate__(self, state: dict[Any, Any]) -> None:
        """Read a pickled value as critically as any other: it may come from a child that a model broke."""
        super().__setstate__(state)
        type(self).model_validate(self.__dict__)


def build_models(kind: type[BaseModel] = BaseModel) -> None:
    """Build the validators of every model that is imported by now, instead of each at its first use.

    Models are declared with `defer_build`: a command uses few of them. A process that lives long, or that
    others are forked from, builds all at its start.
    """
    for model in kind.__subclasses__():
        if not model.__pydantic_complete__:
            model.model_rebuild(raise_errors=False)
        build_models(model)


class VersionTriple(Value):
    """Split, feature and model version, all known: what a run trains, what production holds."""

    split_version: ConfigVersion = Field(description="`splits/vN.yaml` by its N.")
    feature_version: ConfigVersion = Field(description="`features/vN.yaml` by its N.")
    model_version: ConfigVersion = Field(description="`models/vN.yaml` by its N.")


class AskedVersions(Value):
    """What a request named; None is "whatever production defaults to"."""

    split_version: ConfigVersion | None = None
    feature_version: ConfigVersion | None = None
    model_version: ConfigVersion | None = None

    def filled_from(self, defaults: VersionTriple) -> VersionTriple:
        """Take each missing version from `defaults`."""
        asked = {name: value for name, value in self.model_dump().items() if value is not None}
        return defaults.model_copy(update=asked)
