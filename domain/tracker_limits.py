"""What an experiment tracker keeps of one value (MLflow's own limits), and what stands for a longer one.

A longer value would be cut without a word, or refused when the work is done. It stands whole in an artifact
of its run, and the record says so in its place. Names need no such thing: those of params, metrics and
datasets come from closed sets, or are refused with the file that they stand in.
"""

from collections.abc import Mapping
from typing import Final

PARAM: Final = 6_000
TAG: Final = 8_000
VERSION_TAG: Final = 5_000  # what registries of every age keep whole
DESCRIPTION: Final = 5_000  # of a registered model or a version
DATASET_NAME: Final = 500
DATASET_DIGEST: Final = 36
# MLflow would take a megabyte of schema: with several datasets that is more than a proxy lets through.
DATASET_SCHEMA: Final = 65_535

# Artifacts of a run that hold whole what its record names in part.
LONG_VALUES: Final = "laurel/long_values.json"
RESOLVED_CONFIG: Final = "laurel/resolved_config.json"
VERDICT: Final = "laurel/verdict.json"
MODEL_CARD: Final = "evaluation/model_card.md"


def storable(value: object) -> str:
    """The value as text, without what no database keeps: NUL and halves of surrogate pairs."""
    return str(value).encode(errors="replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")


def param_text(value: object) -> str:
    """A param as it is logged; half a value would be taken for the value, so none of a long one is shown."""
    text = storable(value)
    return text if len(text) <= PARAM else pointer(text)


def tag_text(value: str, artifact: str = LONG_VALUES) -> str:
    """A tag as it is set; of a long one its beginning, which says what it is about."""
    return _with_its_end(storable(value), TAG, artifact)


def description_text(value: str, artifact: str) -> str:
    """A description as it is set; of a long one its beginning."""
    return _with_its_end(storable(value), DESCRIPTION, artifact)


def _with_its_end(text: str, longest: int, artifact: str) -> str:
    if len(text) <= longest:
        return text
    note = f" … ({pointer(text, artifact)})"
    return text[: longest - len(note)] + note


def pointer(text: str, artifact: str = LONG_VALUES) -> str:
    """Say where a value of that length stands whole."""
    return f"{len(text)} characters, whole in the artifact {artifact}"


def long_values(params: Mapping[str, object], tags: Mapping[str, str]) -> dict[str, dict[str, object]]:
    """What `param_text` and `tag_text` point to, as JSON values; empty when everything fits."""
    found: dict[str, dict[str, object]] = {
        "params": {name: value for name, value in params.items() if len(storable(value)) > PARAM},
        "tags": {name: storable(text) for name, text in tags.items() if len(storable(text)) > TAG},
    }
    return {kind: values for kind, values in found.items() if values}
