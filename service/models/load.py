"""A model's folder: checked against its manifest, then loaded."""

import hashlib
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from domain.data_contract import DataContract
from domain.datasets import seal
from domain.errors import ModelUnusable
from domain.feature_schema import FeatureSchema
from domain.model_types import Estimator
from domain.strict_json import parse_json
from domain.values import Sha256
from domain.wording import byte_count
from service.adapters.mlflow.package_format import MODEL_FILE, OURS, package_digest
from service.adapters.sklearn.fitting import predict
from service.adapters.sklearn.loading import load_pipeline
from service.models.memory import MEMORY, LoadedModel, Schema

_TRAVELLING: Final = ("feature_schema", "data_contract", "target", "model_definition")
_LARGEST_DOCUMENT: Final = 16 << 20  # bytes; the configuration that they are made of has 1 MiB at the most


class ModelFolder:
    """One package on disk, with the manifest that says what its files must be."""

    def __init__(self, folder: str, manifest: Mapping[str, Sha256]) -> None:
        self.folder = Path(folder)
        self.manifest = dict(manifest)
        self.digest = seal(manifest)

    def check(self) -> None:
        """Every file is there, whole, and no other. Raises ModelUnusable `model_digest_mismatch`."""
        found = package_digest(self.folder)
        if found != self.manifest:
            names = {name for name, _ in self.manifest.items() ^ found.items()}
            raise _mismatch(sorted(names))

    @property
    def is_ours(self) -> bool:
        """True when what our models take along is there."""
        return all(f"{OURS}/{name}.json" in self.manifest for name in _TRAVELLING)

    def read(self, name: str, most: int | None = None) -> bytes:
        """The bytes of one file, checked as they are read.

        Raises ModelUnusable: `model_digest_mismatch`, or `unloadable_model` for more than `most` bytes.
        """
        try:
            if most is not None and (size := (self.folder / name).stat().st_size) > most:
                raise ModelUnusable(
                    "unloadable_model",
                    f"{name} has {byte_count(size)}; at most {byte_count(most)} are allowed",
                )
            data = (self.folder / name).read_bytes()
        except OSError as error:
            raise _mismatch([name]) from error
        if hashlib.sha256(data).hexdigest() != self.manifest.get(name):
            raise _mismatch([name])
        return data

    def travelling(self, name: str) -> Any:
        """What travels with the model under this name, as JSON values. Raises ModelUnusable."""
        return parse_json(self.read(f"{OURS}/{name}.json", _LARGEST_DOCUMENT))

    def load(self) -> LoadedModel:
        """Load a model of ours, with our own list of types. Raises ModelUnusable."""
        pipeline, schema = self.open()
        return LoadedModel(partial(predict, pipeline), schema.features.columns, schema)

    def open(self, also_trusted: Sequence[str] = ()) -> tuple[Any, Schema]:
        """The pipeline of a model of ours, and what travels with it. Raises ModelUnusable."""
        schema = self.schema()
        try:
            estimator = Estimator.model_validate(self.travelling("model_definition"))
        except (ValueError, TypeError) as error:
            raise _untravelled(error) from error
        return load_pipeline(self.read(MODEL_FILE), estimator.type, also_trusted), schema

    def schema(self) -> Schema:
        """What travels with a model of ours, all of whose files are checked. Raises ModelUnusable."""
        self.check()
        try:
            features = FeatureSchema.model_validate(self.travelling("feature_schema"))
            contract = DataContract.model_validate(self.travelling("data_contract"))
            return Schema(features, contract, str(self.travelling("target")["name"]))
        except (ValueError, TypeError, KeyError) as error:
            raise _untravelled(error) from error


def open_model(
    folder: ModelFolder, *, allow_foreign: bool = False, foreign_columns: Sequence[str] = ()
) -> tuple[LoadedModel, bool]:
    """The model, and whether this process held it already. Raises ModelUnusable.

    A foreign model is loaded by MLflow, whatever it runs, and only when that is allowed.
    """
    known = MEMORY.recall(folder.digest)
    if known is not None:
        return known, True
    if folder.is_ours:
        model = folder.load()
    elif allow_foreign:
        folder.check()
        # Not above: it brings MLflow, which an inference server does without.
        from service.adapters.mlflow.foreign_model import load_foreign  # noqa: PLC0415 - see above

        foreign = load_foreign(folder.folder, foreign_columns)
        model = LoadedModel(foreign.predict, foreign.columns, None)
    else:
        raise ModelUnusable(
            "foreign_model", "the model was not made by Laurel, and loading foreign models is not allowed"
        )
    MEMORY.keep(folder.digest, model)
    return model, False


def _mismatch(names: Sequence[str]) -> ModelUnusable:
    return ModelUnusable(
        "model_digest_mismatch",
        f"the model's files are not the recorded ones: {', '.join(names[:5])}",
        files=list(names),
    )


def _untravelled(error: Exception) -> ModelUnusable:
    return ModelUnusable("unloadable_model", f"what travels with the model: {_said(error)}")


def _said(error: Exception) -> str:
    """Without the values: a validation error would print them."""
    return f"{error.error_count()} faults" if isinstance(error, ValidationError) else type(error).__name__
