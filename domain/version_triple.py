"""The three versions that say which model is asked for."""

from pydantic import Field

from domain.values import ConfigVersion, Value


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
