"""The configuration of one run, resolved once and frozen into its row: values and digests."""

from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple

from pydantic import Field, field_serializer, field_validator

from domain.data_contract import DataContract
from domain.feature_schema import FeatureSchema
from domain.model_types import ModelDefinition
from domain.split_rules import SplitRules
from domain.values import Sha256, Value, VersionTriple

Family = Literal["data_contracts", "splits", "features", "models"]
FAMILIES: tuple[Family, ...] = ("data_contracts", "splits", "features", "models")


class ConfigUse(NamedTuple):
    """One file that a run uses: its family, its name (`v3`), the sha256 of its bytes."""

    family: Family
    name: str
    sha256: str


class ConfigDigests(Value):
    """The sha256 of each family's file as it was read, over all its bytes."""

    data_contracts: Sha256
    splits: Sha256
    features: Sha256
    models: Sha256


def read_features(features: Mapping[str, object]) -> FeatureSchema:
    """Read a feature schema from JSON, its columns as a map or as pairs in a list."""
    columns = features.get("tabular_features")
    pairs = {"tabular_features": dict(columns)} if isinstance(columns, list | tuple) else {}
    return FeatureSchema.model_validate({**features, **pairs})


class ResolvedConfig(Value):
    """Everything that four files say, and the digests that say which four.

    `fit_threads` is for a model that depends on their number and whose file leaves it open.

    Its JSON holds the features as pairs in a list: a store may sort the keys of a map, and the order of the
    columns is part of the model.
    """

    triple: VersionTriple
    contract: DataContract
    split: SplitRules
    features: FeatureSchema
    model: ModelDefinition
    digests: ConfigDigests
    # Left out unless it is needed: an older release reads the rows of a newer one.
    fit_threads: int | None = Field(default=None, ge=1, exclude_if=lambda number: number is None)

    @field_serializer("features")
    def _features_in_order(self, features: FeatureSchema) -> dict[str, object]:
        dumped = features.model_dump(mode="json")
        return dumped | {"tabular_features": [[*pair] for pair in dumped["tabular_features"].items()]}

    @field_validator("features", mode="before")
    @classmethod
    def _pairs_to_map(cls, features: object) -> object:
        return read_features(features) if isinstance(features, Mapping) else features

    def uses(self) -> Iterator[ConfigUse]:
        """The four files, to check whether one was edited since its first use."""
        versions = {
            "data_contracts": self.contract.version,
            "splits": self.split.version,
            "features": self.features.version,
            "models": self.model.version,
        }
        for family in FAMILIES:
            yield ConfigUse(family, f"v{versions[family]}", getattr(self.digests, family))
