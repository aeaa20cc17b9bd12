"""A pipeline to and from skops, with a list of trusted types that is ours.

The list that travels with a model comes from the model itself and protects nobody; pickle is never read.
"""

import io
import json
from collections.abc import Sequence
from typing import Any, Final
from zipfile import ZipFile

import skops
import skops.io
from sklearn.pipeline import Pipeline
from skops.io._utils import SaveContext, get_state
from skops.io.exceptions import UntrustedTypesFoundException

from domain.errors import ModelUnusable
from domain.model_types import MODEL_TYPES
from domain.strict_json import show_objects
from domain.wording import byte_count
from service.adapters.sklearn.sound_trees import require_sound

# What our preprocessing calls, beside what skops trusts by itself.
_PREPROCESSING: Final = (
    "numpy.asarray",
    "numpy.clip",
    "numpy.dtype",
    "numpy.nan_to_num",
    "pandas.DataFrame",
    "pandas.Series",
)
# Ours are stored as they are. Others may be packed, but nothing that was learned packs like zeros.
_SPARE_BYTES: Final = 64 << 20
_MOST_UNPACKED: Final = 20  # times what the file has


def trusted_types(model_type: str) -> tuple[str, ...]:
    """The types that a pipeline of this model type may hold, sorted; nothing else is ever built."""
    return tuple(sorted((*_PREPROCESSING, *MODEL_TYPES[model_type].trusted)))


def listed_types(model_type: str) -> tuple[str, ...]:
    """What a package tells other loaders to trust, whose skops and scikit-learn may be others."""
    return tuple(sorted((*trusted_types(model_type), *MODEL_TYPES[model_type].trusted_elsewhere)))


def load_pipeline(data: bytes, model_type: str, also_trusted: Sequence[str] = ()) -> Any:
    """Load a fitted pipeline from the bytes of a skops file; `also_trusted` are types of the operator's.

    Raises ModelUnusable: `untrusted_type` with the types' names, or `unloadable_model`.
    """
    try:
        _require_bounded(data, model_type)
        pipeline = skops.io.loads(data, trusted=[*trusted_types(model_type), *also_trusted])
        estimator = pipeline[-1]
    except UntrustedTypesFoundException as error:
        sentence = str(error).partition("\n")[0]
        raise ModelUnusable(
            "untrusted_type",
            f"the model is not one of Laurel's ({model_type}): {sentence}",
            model_type=model_type,
        ) from error
    except ModelUnusable:
        raise
    except Exception as error:  # whatever a broken or foreign file makes skops raise, the model is unusable
        raise ModelUnusable(
            "unloadable_model",
            f"the model cannot be loaded ({type(error).__name__}: {error})",
            model_type=model_type,
        ) from error
    require_sound(estimator, model_type)
    return pipeline


def _require_bounded(data: bytes, model_type: str) -> None:
    """A file may be packed a thousandfold, and be named by any number of the pipeline's parts."""
    most = _SPARE_BYTES + _MOST_UNPACKED * len(data)
    with ZipFile(io.BytesIO(data)) as archive:
        sizes = {entry.filename: entry.file_size for entry in archive.infolist()}
        total = sum(entry.file_size for entry in archive.infolist())
        if total <= most:
            total += sum(sizes.get(name, 0) for name in _named_files(archive.read("schema.json")))
    if total > most:
        raise ModelUnusable(
            "unloadable_model",
            f"the model's file of {byte_count(len(data))} unpacks to {byte_count(total)}; at most "
            f"{byte_count(most)} are allowed",
            model_type=model_type,
            bytes=total,
            allowed=most,
        )


def _named_files(schema: bytes) -> list[str]:
    """The file of every part that has one, as often as it is named."""
    named: list[str] = []

    def look(part: dict[str, object]) -> None:
        if isinstance(file := part.get("file"), str):
            named.append(file)

    show_objects(schema, look)
    return named


def skops_bytes(pipeline: Pipeline) -> bytes:
    """Dump a fitted pipeline as `skops.io.dumps` does, in a third of the time.

    That function indents its JSON, which Python does in Python: 50 ms of the 80 that a boosted model takes.
    Its own two building blocks are used here, and any version of skops reads what they make.
    """
    buffer = io.BytesIO()
    with ZipFile(buffer, "w") as archive:
        context = SaveContext(zip_file=archive)
        state = get_state(pipeline, context)
        context.clear_memo()
        state |= {"protocol": context.protocol, "_skops_version": skops.__version__}
        archive.writestr("schema.json", json.dumps(state))
    return buffer.getvalue()
