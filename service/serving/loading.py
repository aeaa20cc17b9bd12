"""From the registry's word to a model in memory: every byte is checked before anything is built of it."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from domain.errors import LaurelError, ModelUnusable
from domain.package_tags import signed_text
from domain.ports.clock import Clock
from domain.values import Sha256
from service.adapters.mlflow.access import MlflowAccess
from service.adapters.mlflow.model_cache import ModelCache
from service.adapters.mlflow.model_origin import own_location
from service.adapters.mlflow.model_transfer import FetchedModel, fetch_model
from service.adapters.sklearn.row_prediction import RowPredictor
from service.models.checked_model import checked_model, require_layout
from service.models.load import ModelFolder
from service.serving.champion import RegisteredChampion, version_fault
from service.serving.served_model import ServedModel

BuildModel = Callable[[Path, Mapping[str, Sha256], Sequence[str]], RowPredictor]


class Verifier(Protocol):
    """Knows the public key."""

    def verify(self, text: bytes, signature: str) -> bool:
        """True when the key's owner signed this text."""


class ModelLoader:
    """Loads models into this process. It blocks: it is for a thread.

    `build_model` builds a model from a folder and its manifest, where that may fail in any way. Without a
    verifier signatures are not asked for. `trusted_types` are the operator's, beside our own.
    Raises ModelUnusable with the reason, TryLater while the server or the disk is away.
    """

    def __init__(
        self,
        access: MlflowAccess,
        cache: ModelCache,
        clock: Clock,
        build_model: BuildModel,
        verifier: Verifier | None = None,
        trusted_types: Sequence[str] = (),
    ) -> None:
        self._access = access
        self._cache = cache
        self._clock = clock
        self._verifier = verifier
        self._trusted_types = tuple(trusted_types)
        self._build = build_model
        self._seen: set[tuple[str, str, str | None]] = set()  # sources, their own files' digest, their run

    def fetch(self, champion: RegisteredChampion) -> ServedModel:
        """Bring the files here, unless they are, and load them."""
        self._require_signature(champion)
        return self._load(self._fetched(champion).folder, champion)

    def recall(self, champion: RegisteredChampion) -> ServedModel:
        """Load what the cache has, without asking anybody. Raises ModelUnusable `not_cached`."""
        self._require_signature(champion)
        folder = self._cache.find(champion.manifest)
        if folder is None:
            raise ModelUnusable("not_cached", "the cache does not hold the model's complete files")
        return self._load(folder, champion)

    def _fetched(self, champion: RegisteredChampion) -> FetchedModel:
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

    def _require_signature(self, champion: RegisteredChampion) -> None:
        if self._verifier is None:
            return
        if champion.signature is None:
            raise version_fault("signature_missing", champion, "is not signed, and a verification key is set")
        text = signed_text(champion.model_name, champion.run_id or "", champion.digest)
        if not self._verifier.verify(text, champion.signature):
            raise version_fault(
                "signature_refused", champion, "is signed by another key, or the signature is another model's"
            )

    def _load(self, path: Path, champion: RegisteredChampion) -> ServedModel:
        try:
            return self._loaded(path, champion)
        except LaurelError:
            raise
        except Exception as error:  # what a strange model makes of a library is no defect of the server
            raise version_fault(
                "unloadable_model", champion, f"cannot be loaded ({type(error).__name__}: {error})"
            ) from error

    def _loaded(self, path: Path, champion: RegisteredChampion) -> ServedModel:
        folder = ModelFolder(str(path), champion.manifest)
        require_layout(folder)
        schema = folder.schema()
        built = checked_model(folder, schema, self._build(path, champion.manifest, self._trusted_types))
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
            predict=built.predict,
            loaded_at=self._clock.now(),
            known=built.predict.categories,
            singles=built.predict.singles,
            ranges=built.ranges,
            predict_columns=built.predict.of_columns,
        )
