"""What a registry that others filled says of a version: its run, its artifact, and how that was saved."""

from collections.abc import Mapping
from typing import Final, NamedTuple, TypedDict

import yaml

from domain.errors import ModelUnusable
from domain.wording import byte_count
from service.adapters.mlflow.access import MlflowAccess, require_source
from service.adapters.mlflow.artifact_store import ArtifactStore, open_store
from service.adapters.mlflow.errors import well_formed
from service.adapters.mlflow.model_origin import named_location
from service.adapters.mlflow.package_format import DESCRIPTION, LOGGED_FIELDS
from service.adapters.mlflow.rest import MlflowRest, quoted

_LARGEST_MLMODEL: Final = 4 << 20
_NOTHING: Final = (None, "", "~", "null", "Null", "NULL")
_SEARCH: Final = "model-versions/search"


class _Described(TypedDict, total=False):
    run_id: str
    flavors: Mapping[str, Mapping[str, str]]


class SavedModel(NamedTuple):
    """The artifact's name, and what it was saved with: skops, cloudpickle, …, else the loader's name.

    `run_id` is the run that its MLmodel names, `lacks` the fields of a logged model that are not in there.
    """

    name: str
    saved_with: str
    run_id: str | None
    lacks: tuple[str, ...]


def look_at_model(source: str, access: MlflowAccess) -> SavedModel:
    """Look at a version's files without loading any; blocks.

    Raises ModelUnusable `model_source_refused`, `model_missing`, `unloadable_model`; NeverRetry, TryLater.
    """
    require_source(source)
    location, name = named_location(source, access)
    with open_store(location, access) as store:
        sizes = store.sizes()
        if DESCRIPTION not in sizes:
            found = "no MLmodel file among its files" if sizes else "no files"
            raise ModelUnusable("model_missing", f"{source} has {found}", source=source)
        described = _read(store, sizes[DESCRIPTION])
    lacks = tuple(field for field in LOGGED_FIELDS if described.get(field) in _NOTHING)
    run_id = described.get("run_id")
    return SavedModel(name, _saved_with(described["flavors"]), None if run_id in _NOTHING else run_id, lacks)


def _read(store: ArtifactStore, size: int) -> _Described:
    if size > _LARGEST_MLMODEL:
        raise ModelUnusable(
            "unloadable_model",
            f"its MLmodel file has {byte_count(size)}; at most {byte_count(_LARGEST_MLMODEL)} are read",
        )
    try:
        # As texts: only texts are looked for, and reading a number can take the square of its length.
        described: _Described = yaml.load(b"".join(store.read(DESCRIPTION)), Loader=yaml.BaseLoader)  # noqa: S506 - texts
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise ModelUnusable("unloadable_model", "its MLmodel file is not YAML") from error
    flavors = described.get("flavors") if isinstance(described, dict) else None
    if not isinstance(flavors, dict) or not isinstance(flavors.get("python_function"), dict):
        raise ModelUnusable("unloadable_model", "its MLmodel file names no python_function flavor")
    return described


def _saved_with(flavors: Mapping[str, Mapping[str, str]]) -> str:
    own = flavors.get("sklearn")
    said = own.get("serialization_format") if isinstance(own, dict) else None
    return str(said or flavors["python_function"].get("loader_module") or "an unknown loader")


async def count_versions(rest: MlflowRest, model_name: str, own_tag: str) -> tuple[int, int]:
    """How many versions the registry holds, and how many of them carry our tag."""
    query, total, own = {"filter": f"name = {quoted(model_name)}"}, 0, 0
    while True:
        answer = await rest.get(_SEARCH, **query)
        with well_formed(_SEARCH):
            versions = answer.get("model_versions", [])
            total += len(versions)
            own += sum(any(tag["key"] == own_tag for tag in one.get("tags", [])) for one in versions)
        token = answer.get("next_page_token")
        if not token or not versions:
            return total, own
        query["page_token"] = str(token)
