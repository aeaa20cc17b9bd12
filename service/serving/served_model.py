"""The model that a server serves: one value, checked and loaded, that is replaced and never changed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from domain.arrays import RowColumns
from domain.data_contract import DataContract
from domain.feature_schema import FeatureSchema
from domain.values import Sha256
from service.serving.unloadable import Mark

Cell = str | float | None
Row = Mapping[str, Cell]
Predict = Callable[[Sequence[Row]], list[float]]
PredictColumns = Callable[[RowColumns], list[float] | None]


@dataclass(frozen=True)
class ServedModel:
    """One registered version with all that answers are made of.

    `predict` takes rows whose values were checked, each with every column of the features, and returns the
    raw target in their order; `predict_columns` takes many of them by column, and says None where they have
    to be asked for as rows. `generation` is the version's tag, or what the listener said, which `is_told`
    tells; None when nobody wrote one. `manifest` maps each file of the model to its sha256, `digest` seals
    it. `known` are the categories that the fitted encoders hold, by column: one that is not among them has no
    code. `singles` are columns whose numbers the model knows in 32 bits. `ranges` are the least and the
    greatest number of training, by column.
    """

    model_name: str
    version: int
    generation: int | None
    run_id: str | None
    feature_version: int
    features: FeatureSchema
    contract: DataContract
    manifest: Mapping[str, Sha256]
    digest: Sha256
    predict: Predict
    loaded_at: datetime
    known: Mapping[str, tuple[object, ...]] = field(default_factory=dict)
    singles: frozenset[str] = frozenset()
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    is_told: bool = False
    predict_columns: PredictColumns | None = None


class Serving:
    """What is served now. A request takes `model` once and keeps to it until its answer is out."""

    def __init__(self) -> None:
        self.model: ServedModel | None = None
        self.stale = False  # from the local cache, while the registry does not answer
        self.unloadable: tuple[Mark, ...] = ()  # versions of which the loading process has died

    def serve(self, model: ServedModel, *, stale: bool = False) -> None:
        """Serve this one from now on."""
        self.model, self.stale = model, stale
