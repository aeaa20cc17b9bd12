"""Valid values with few words: what a test does not care about has a plain default."""

import hashlib
import uuid
from datetime import UTC, datetime
from functools import cache
from typing import Any

import yaml

from domain.data_contract import DataContract
from domain.datasets import DatasetFile, DatasetHashes, SplitParts, manifest_of, seal
from domain.ledger import Cause, LedgerEntry, next_entry
from domain.metrics import Score
from domain.model_types import ModelDefinition
from domain.models import ModelPackage
from domain.request import ReceivedRequest
from domain.resolved_config import ConfigDigests, ResolvedConfig, read_features
from domain.split_rules import SPLIT_RULES
from domain.values import VersionTriple
from service.runtime.provenance import Provenance
from tests.worlds.synthetic import CONFIG_FILES

MODEL = "price"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
TRIPLE = VersionTriple(split_version=1, feature_version=1, model_version=1)
PROVENANCE = Provenance(code_version="0.1.0", python_version="3.11", packages={"scikit-learn": "1.9"})
REFERENCE = hashlib.sha256(b"reference").hexdigest()


def sha256(text: str) -> str:
    """A digest for every text."""
    return hashlib.sha256(text.encode()).hexdigest()


def a_request(name: str | None = None, **payload: Any) -> ReceivedRequest:
    """A request of its own, or of the identity `name`."""
    name = name or uuid.uuid4().hex
    return ReceivedRequest(
        identity=f"event:/tests {name}",
        model_name=MODEL,
        payload=payload,
        correlation_id=f"correlation-{name}",
        causation_id=name,
    )


def a_config(triple: VersionTriple = TRIPLE) -> ResolvedConfig:
    """The synthetic world's files, first versions, under a triple's numbers."""
    numbers = {
        "splits": triple.split_version,
        "features": triple.feature_version,
        "models": triple.model_version,
    }
    files = {family: _file(family) | {"version": number} for family, number in numbers.items()}
    return ResolvedConfig(
        triple=triple,
        contract=DataContract.model_validate(_file("data_contracts")),
        split=SPLIT_RULES.validate_python(files["splits"]),
        features=read_features(files["features"]),
        model=ModelDefinition.model_validate(files["models"]),
        digests=ConfigDigests(
            data_contracts=sha256("data_contracts/v1"),
            **{family: sha256(f"{family}/v{number}") for family, number in numbers.items()},
        ),
    )


@cache
def _file(family: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(CONFIG_FILES[f"{family}/v1.yaml"])
    return content


def a_file(name: str, rows: int = 10) -> DatasetFile:
    """A dataset file that is told by its name alone."""
    return DatasetFile(path=f"/data/{name}.parquet", sha256=sha256(name), bytes=100, rows=rows)


def some_parts(*tests: str) -> SplitParts:
    """A split with the optional tests of these names."""
    return SplitParts(
        master=a_file("master", 100),
        train=a_file("train", 80),
        reference=a_file("reference", 20),
        optional_tests={name: a_file(name, 5) for name in tests},
        reference_created=True,
        warnings=(),
        statistics={"rows": 100},
        contract_report={"contract": 1, "rows": 100, "violations": []},
        seconds=0.5,
    )


def some_hashes(parts: SplitParts) -> DatasetHashes:
    """What versioning would leave of these parts."""
    manifest = manifest_of(parts)
    return DatasetHashes(
        dvc_master_hash="m" * 32,
        dvc_split_hash="s" * 32 + ".dir",
        dvc_reference_hash="r" * 32 + ".dir",
        files={name: digest[:32] for name, digest in manifest.items()},
        manifest=manifest,
        seconds=0.1,
    )


def a_score(rmsle: float | None, digest: str = REFERENCE) -> Score:
    """A score on the reference, another figure by each metric; None: no number."""
    metrics = {} if rmsle is None else {"rmsle": rmsle, "mae": 4 * rmsle}
    return Score(metrics=metrics, dataset_digest=digest, rows=20)


def a_package(name: str = "model") -> ModelPackage:
    """A package on disk that is told by its name alone."""
    manifest = {"model.skops": sha256(name)}
    return ModelPackage(
        folder=f"/data/runs/{name}/model",
        manifest=manifest,
        digest=seal(manifest),
        params={"alpha": 1.0},
        train_score=a_score(0.1, sha256("train")),
        seconds=1.0,
    )


def an_entry(head: LedgerEntry | None, version: int, **facts: Any) -> LedgerEntry:
    """The entry that follows `head`."""
    plain: dict[str, Any] = {"cause": Cause.OVERRIDE, "reasons": ("by hand",), "actor": "tests", "at": NOW}
    return next_entry(MODEL, head, version=version, **plain | facts)
