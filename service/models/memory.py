"""The models that this process holds, so that a model is loaded once, not once per task."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Final, NamedTuple

from domain.arrays import Floats
from domain.data_contract import DataContract
from domain.feature_schema import FeatureSchema
from domain.values import Sha256
from service.adapters.pyarrow.datasets import Frame


class Schema(NamedTuple):
    """What travelled with a model of ours: how its rows must look."""

    features: FeatureSchema
    contract: DataContract
    target: str


class LoadedModel(NamedTuple):
    """A model ready to predict. `schema` is None for a foreign one, of which only the columns are known."""

    predict: Callable[[Frame], Floats]
    columns: tuple[str, ...]
    schema: Schema | None


class ModelMemory:
    """The models used last, by the digest that seals their package."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._models: OrderedDict[Sha256, LoadedModel] = OrderedDict()

    def keep(self, digest: Sha256, model: LoadedModel) -> None:
        """Hold a model; the one that was not used for longest goes when there are too many."""
        self._models[digest] = model
        self._models.move_to_end(digest)
        while len(self._models) > self._most:
            self._models.popitem(last=False)

    def forget(self, digest: Sha256) -> None:
        """Let a model go."""
        self._models.pop(digest, None)

    def recall(self, digest: Sha256) -> LoadedModel | None:
        """The model with this digest, if it is held."""
        if digest in self._models:
            self._models.move_to_end(digest)
        return self._models.get(digest)


MEMORY: Final = ModelMemory(3)  # a candidate, the champion, and the champion before while heads change
