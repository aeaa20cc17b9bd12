"""What can be done to a model on its way, each with the reason by which it is refused."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from domain.datasets import seal
from tests.integration.inference.tampering_scene import GOLDEN, Package, Scene
from tests.worlds import spoiled_models as spoiled
from tests.worlds.registered_models import manifest_of


def _swap(package: Package, one: str, two: str) -> Package:
    return {**package, one: package[two], two: package[one]}


def _rename(package: Package, old: str, new: str) -> Package:
    return {new if name == old else name: data for name, data in package.items()}


STORED: Mapping[str, tuple[str, Callable[[Scene], Package]]] = {
    "a file more": ("model_files_differ", lambda it: {**it.package, "extra.py": b"import os\n"}),
    "a file under .git": ("model_files_differ", lambda it: {**it.package, ".git/config": b"[core]\n"}),
    "a document more": ("model_files_differ", lambda it: {**it.package, "laurel/more.json": b"{}"}),
    "a renamed model": ("model_files_differ", lambda it: _rename(it.package, "model.skops", "model.pkl")),
    "a renamed document": (
        "model_files_differ",
        lambda it: _rename(it.package, "laurel/target.json", "laurel/Target.json"),
    ),
    "two documents swapped": (
        "model_digest_mismatch",
        lambda it: _swap(it.package, "laurel/feature_schema.json", "laurel/data_contract.json"),
    ),
    "MLmodel and model swapped": (
        "model_digest_mismatch",
        lambda it: _swap(it.package, "MLmodel", "model.skops"),
    ),
    "another version's MLmodel": (
        "model_digest_mismatch",
        lambda it: {**it.package, "MLmodel": it.package["MLmodel"].replace(b"skops", b"pickle")},
    ),
    "another version's model": (
        "model_digest_mismatch",
        lambda it: {**it.package, "model.skops": it.other["model.skops"]},
    ),
    "all of another version's files": ("model_digest_mismatch", lambda it: it.other),
    "the served version's files": ("model_digest_mismatch", lambda it: dict(it.good.package)),
    "a pickle in its place": (
        "model_digest_mismatch",
        lambda it: {**it.package, "model.skops": spoiled.intruding_pickle()},
    ),
    "a foreign type in its place": (
        "model_digest_mismatch",
        lambda it: {**it.package, "model.skops": spoiled.intruding_skops()},
    ),
    "a cut model": ("model_digest_mismatch", lambda it: {**it.package, "model.skops": b"PK"}),
    "an empty model": ("model_digest_mismatch", lambda it: {**it.package, "model.skops": b""}),
    "no file at all": ("model_missing", lambda _: {}),
}


def _golden(package: Package, **change: Any) -> Package:
    return {**package, GOLDEN: json.dumps({**json.loads(package[GOLDEN]), **change}).encode()}


def _off_by_little(package: Package) -> Package:
    said = json.loads(package[GOLDEN])["predictions"]
    return _golden(package, predictions=[said[0] * (1 + 1e-6), *said[1:]])


def _with_estimator(package: Package, change: Callable[[Any], Any]) -> Package:
    return {**package, "model.skops": spoiled.with_estimator(package["model.skops"], change)}


def _from_code(package: Package) -> Package:
    described = (
        b"flavors:\n  python_function:\n    loader_module: mlflow.pyfunc.model\n    python_model: null\n"
    )
    code = b"    model_code_path: model.py\n"
    documents = {name: data for name, data in package.items() if name.startswith("laurel/")}
    return {"MLmodel": described + code, "model.py": spoiled.INTRUDING_CODE, **documents}


def _self_declared(package: Package) -> Package:
    declared = package["MLmodel"] + b"skops_trusted_types:\n- tests.worlds.spoiled_models.SkopsIntruder\n"
    return {**package, "MLmodel": declared, "model.skops": spoiled.intruding_skops()}


# Whoever changes the files may change the manifest with them, unless versions are signed.
SEALED: Mapping[str, tuple[str, Callable[[Scene], Package]]] = {
    "a foreign type": (
        "untrusted_type",
        lambda it: {**it.package, "model.skops": spoiled.intruding_skops()},
    ),
    "a foreign type that declares itself trusted": ("untrusted_type", lambda it: _self_declared(it.package)),
    "a pickle": (
        "unloadable_model",
        lambda it: {**it.package, "model.skops": spoiled.intruding_pickle()},
    ),
    "a joblib": (
        "unloadable_model",
        lambda it: {**it.package, "model.skops": spoiled.intruding_joblib()},
    ),
    "a cloudpickle": (
        "unloadable_model",
        lambda it: {**it.package, "model.skops": spoiled.intruding_cloudpickle()},
    ),
    "a pickle by its own name": (
        "foreign_model",
        lambda it: {"MLmodel": it.package["MLmodel"], "model.pkl": spoiled.intruding_pickle()},
    ),
    "a pickle beside the model": (
        "foreign_model",
        lambda it: {**it.package, "model.pkl": spoiled.intruding_pickle()},
    ),
    "a model from code": ("foreign_model", lambda it: _from_code(it.package)),
    "code that comes along": (
        "foreign_model",
        lambda it: {**it.package, "code/sitecustomize.py": spoiled.INTRUDING_CODE},
    ),
    "no golden rows": (
        "foreign_model",
        lambda it: {name: data for name, data in it.package.items() if name != GOLDEN},
    ),
    "golden rows that do not match": (
        "smoke_test_failed",
        lambda it: {**it.package, GOLDEN: it.other[GOLDEN]},
    ),
    "golden rows off by a millionth": ("smoke_test_failed", lambda it: _off_by_little(it.package)),
    "a model that says NaN": (
        "smoke_test_failed",
        lambda it: _with_estimator(it.package, spoiled.without_a_number),
    ),
    "a type that only an operator could trust": (
        "untrusted_type",
        lambda it: _with_estimator(it.package, spoiled.harmless),
    ),
    "golden rows emptied": ("golden_rows_unusable", lambda it: _golden(it.package, rows=[], predictions=[])),
    "golden rows cut": ("golden_rows_unusable", lambda it: _golden(it.package, predictions=[1.0])),
    "golden rows of null": (
        "golden_rows_unusable",
        lambda it: _golden(it.package, predictions=[None] * 5),
    ),
    "golden rows of text": ("golden_rows_unusable", lambda it: {**it.package, GOLDEN: b"none"}),
    "golden rows without columns": ("golden_rows_unusable", lambda it: _golden(it.package, rows=[{}] * 5)),
    "a feature schema of text": (
        "unloadable_model",
        lambda it: {**it.package, "laurel/feature_schema.json": b'"none"'},
    ),
    "training ranges of text": (
        "unloadable_model",
        lambda it: {**it.package, "laurel/training_ranges.json": b'{"size": ["a", "b"]}'},
    ),
    "a contract that lacks a feature": (
        "unloadable_model",
        lambda it: {
            **it.package,
            "laurel/data_contract.json": it.package["laurel/data_contract.json"].replace(
                b"floors", b"stairs"
            ),
        },
    ),
    "an unknown model type": (
        "unloadable_model",
        lambda it: {**it.package, "laurel/model_definition.json": b'{"type": "oracle", "params": {}}'},
    ),
}


Tags = dict[str, str | None]


def _sealing(package: Mapping[str, bytes]) -> Tags:
    manifest = manifest_of(package)
    return {"laurel.manifest": json.dumps(manifest), "laurel.model_digest": seal(manifest)}


TAGS: Mapping[str, tuple[str, Callable[[Scene], Tags]]] = {
    "no manifest": ("no_manifest", lambda _: {"laurel.manifest": None, "laurel.model_digest": None}),
    "a manifest that is no JSON": ("manifest_malformed", lambda _: {"laurel.manifest": "{"}),
    "a manifest that is a list": ("manifest_malformed", lambda _: {"laurel.manifest": "[]"}),
    "a manifest of numbers": ("manifest_malformed", lambda _: {"laurel.manifest": '{"MLmodel": 1}'}),
    "a manifest of md5": (
        "manifest_malformed",
        lambda _: {"laurel.manifest": json.dumps({"MLmodel": "0" * 32})},
    ),
    "a manifest nested deep": ("manifest_malformed", lambda _: {"laurel.manifest": "[" * 4900}),
    "an empty manifest": (
        "manifest_mismatch",
        lambda _: {"laurel.manifest": "{}", "laurel.model_digest": seal({})},
    ),
    "a manifest without its seal": ("manifest_mismatch", lambda _: {"laurel.model_digest": None}),
    "a manifest under another seal": (
        "manifest_mismatch",
        lambda it: {"laurel.model_digest": seal(manifest_of(it.other))},
    ),
    "another version's manifest": ("model_digest_mismatch", lambda it: _sealing(it.other)),
    "the served version's manifest": ("model_digest_mismatch", lambda it: _sealing(it.good.package)),
    "a manifest with a path that leads out": (
        "model_files_differ",
        lambda it: _sealing(it.package | {"laurel/../../escape.json": b"{}"}),
    ),
    "a generation in words": ("generation_malformed", lambda _: {"laurel.generation": "two"}),
    "a generation below one": ("generation_malformed", lambda _: {"laurel.generation": "0"}),
    "a generation with a sign": ("generation_malformed", lambda _: {"laurel.generation": "+2"}),
    "a generation in other digits": ("generation_malformed", lambda _: {"laurel.generation": "\u0662"}),
    "a generation without end": ("generation_malformed", lambda _: {"laurel.generation": "9" * 4000}),
}


Source = tuple[str, Callable[[Scene], str], Callable[[Scene], Tags]]


def _own(_: Scene) -> Tags:
    return {}


# An MLflow of today refuses to register most of these; an older one, or a hand in its database, does not.
SOURCES: Mapping[str, Source] = {
    "no source": ("model_source_refused", lambda _: "", _own),
    "a model that does not exist": ("model_missing", lambda _: f"models:/m-{'0' * 32}", _own),
    "another server": ("model_source_refused", lambda _: "http://127.0.0.1:9/model", _own),
    "another artifact server": (
        "model_source_refused",
        lambda _: "mlflow-artifacts://127.0.0.1:9/1/model",
        _own,
    ),
    "a folder of this machine": ("model_source_refused", lambda _: "file:///etc", _own),
    "a run's artifacts": ("model_source_refused", lambda _: f"runs:/{'0' * 32}/model", _own),
    "the served model": ("model_of_another_run", lambda it: it.good.model.uri, _own),
    "the served model with its manifest": (
        "model_of_another_run",
        lambda it: it.good.model.uri,
        lambda it: _sealing(it.good.package),
    ),
}
