"""From the registry's word to a model in memory: every byte is checked before anything is built of it."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any, Final, Protocol

from domain.errors import ModelUnusable
from domain.model_signature import signed_text
from domain.ports.clock import Clock
from domain.values import Sha256
from service.adapters.mlflow.access import MlflowAccess
from service.adapters.mlflow.model_cache import ModelCache
from service.adapters.mlflow.model_origin import own_location
from service.adapters.mlflow.model_transfer import FetchedModel, fetch_model
from service.adapters.mlflow.package_format import MODEL_FILE, OURS
from service.adapters.sklearn.row_prediction import RowPredictor
from service.inference.champion import Champion, version_fault
from service.inference.loading_child import build_here
from service.inference.served_model import Predict, ServedModel
from service.tasks.golden_rows import differences
from service.tasks.model_folder import ModelFolder

_GOLDEN: Final = "golden_rows"
_RANGES: Final = "training_ranges"
_TRAVELLING: Final = ("feature_schema", "data_contract", "target", "model_definition", _GOLDEN)
_NEEDED: Final = frozenset({"MLmodel", MODEL_FILE})
_BESIDE: Final = frozenset({"conda.yaml", "python_env.yaml", "requirements.txt"})
_DOCUMENT: Final = re.compile(rf"{OURS}/\w+\.json")


BuildModel = Callable[[Path, Mapping[str, Sha256], Sequence[str]], RowPredictor]


class Verifier(Protocol):
    """Knows the public key."""

    def verify(self, text: bytes, signature: str) -> bool:
        """True when the key's owner signed this text."""


class ModelLoader:
    """Loads models into this process. It blocks: it is for a thread.

    Without a verifier signatures are not asked for. `trusted_types` are the operator's, beside our own.
    `build_model` builds a model from a folder and its manifest.
    Raises ModelUnusable with the reason, TryLater while the server or the disk is away.
    """

    def __init__(
        self,
        access: MlflowAccess,
        cache: ModelCache,
        clock: Clock,
        verifier: Verifier | None = None,
        trusted_types: Sequence[str] = (),
        build_model: BuildModel = build_here,
    ) -> None:
        self._access = access
        self._cache = cache
        self._clock = clock
        self._verifier = verifier
        self._trusted_types = tuple(trusted_types)
        self._build = build_model
        self._seen: set[tuple[str, str, str | None]] = set()  # sources, their own files' digest, their run

    def fetch(self, champion: Champion) -> ServedModel:
        """Bring the files here, unless they are, and load them."""
        self._require_signature(champion)
        return self._load(self._fetched(champion).folder, champion)

    def recall(self, champion: Champion) -> ServedModel:
        """Load what the cache has, without asking anybody. Raises ModelUnusable `not_cached`."""
        self._require_signature(champion)
        folder = self._cache.find(champion.manifest)
        if folder is None:
            raise ModelUnusable("not_cached", "the cache does not hold the model's files, or not whole")
        return self._load(folder, champion)

    def _fetched(self, champion: Champion) -> FetchedModel:
        """Trust the cache only for a source that was seen: the manifest may be another version's."""
        seen = (champion.source, champion.digest, champion.run_id)
        location = None
        if seen not in self._seen:
            location = own_location(champion.source, champion.run_id, self._access)
        fetched = fetch_model(
            champion.source, champion.manifest, self._access, self._cache, location=location
        )
        self._seen.add(seen)
        return fetched

    def _require_signature(self, champion: Champion) -> None:
        if self._verifier is None:
            return
        if champion.signature is None:
            raise version_fault("signature_missing", champion, "is not signed, and a verification key is set")
        text = signed_text(champion.model_name, champion.run_id or "", champion.digest)
        if not self._verifier.verify(text, champion.signature):
            raise version_fault(
                "signature_refused", champion, "is signed by another key, or the signature is another model's"
            )

    def _load(self, path: Path, champion: Champion) -> ServedModel:
        folder = ModelFolder(str(path), champion.manifest)
        if wrong := _layout_faults(folder.manifest):
            raise version_fault("foreign_model", champion, f"is no model that Laurel packaged: {wrong}")
        schema = folder.schema()
        columns = schema.features.columns
        if lost := set(columns) - schema.contract.columns.keys():
            raise version_fault(
                "unloadable_model", champion, f"has features without a rule: {', '.join(sorted(lost)[:5])}"
            )
        predict = self._build(path, champion.manifest, self._trusted_types)
        _require_golden_rows(_golden_rows(folder, columns), predict)
        return ServedModel(
            model_name=champion.model_name,
            version=champion.version,
            generation=champion.generation,
            run_id=champion.run_id,
            feature_version=schema.features.version,
            features=schema.features,
            contract=schema.contract,
            manifest=champion.manifest,
            digest=champion.digest,
            predict=predict,
            loaded_at=self._clock.now(),
            known=predict.categories,
            ranges=_training_ranges(folder),
        )


def _layout_faults(files: Iterable[str]) -> str:
    """What is missing, and what is too much: code that would come along, a pickle."""
    found = set(files)
    missing = sorted((_NEEDED | {f"{OURS}/{name}.json" for name in _TRAVELLING}) - found)
    extra = sorted(name for name in found - _NEEDED - _BESIDE if not _DOCUMENT.fullmatch(name))
    faults = [("lacks", missing), ("holds", extra)]
    return " and ".join(f"it {what} {', '.join(names[:5])}" for what, names in faults if names)


def _require_golden_rows(golden: Mapping[str, Any], predict: Predict) -> None:
    """Ask for the rows whose predictions were recorded when the model was made."""
    said = predict(golden["rows"])
    if not all(isfinite(value) for value in said):
        raise ModelUnusable("smoke_test_failed", "the model says no finite number for its golden rows")
    if wrong := differences(golden, said):
        raise ModelUnusable(
            "smoke_test_failed", f"the model does not say what it said when it was made: {'; '.join(wrong)}"
        )


def _training_ranges(folder: ModelFolder) -> Mapping[str, tuple[float, float]]:
    """What a model takes along since it takes it along; without it, drift is judged by `clip` alone."""
    if f"{OURS}/{_RANGES}.json" not in folder.manifest:
        return {}
    try:
        found: Mapping[str, Sequence[float]] = folder.travelling(_RANGES)
        return {str(name): (float(low), float(high)) for name, (low, high) in found.items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise ModelUnusable("unloadable_model", "the model's training ranges cannot be read") from error


def _golden_rows(folder: ModelFolder, columns: Sequence[str]) -> Mapping[str, Any]:
    """The rows and what was said of them, at least one."""
    try:
        golden: Mapping[str, Any] = folder.travelling(_GOLDEN)
        rows, said = golden["rows"], golden["predictions"]
        is_whole = len(rows) == len(said) > 0 and all(set(columns) <= row.keys() for row in rows)
        is_whole = is_whole and all(isinstance(value, float) for value in said)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise ModelUnusable("golden_rows_unusable", "the model's golden rows cannot be read") from error
    if not is_whole:
        raise ModelUnusable("golden_rows_unusable", "the model has no golden rows that it could be asked for")
    return golden
