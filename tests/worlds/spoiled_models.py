"""What a model must never be able to do to a server: leave this mark while it is loaded."""

import io
import os
import pickle
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import cloudpickle  # type: ignore[import-untyped] # MLflow brings it, without types
import joblib
import skops.io
from sklearn.linear_model import Ridge
from sklearn.pipeline import Pipeline

from service.adapters.sklearn.loading import trusted_types

MARK: Final = "LAUREL_TESTS_MARK"  # the variable that names the file that would appear


def leave_mark() -> None:
    Path(os.environ[MARK]).touch()


class Intruder:
    """Runs when pickle builds it again."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (leave_mark, ())


class SkopsIntruder:
    """Runs when skops builds it again, which keeps an object's state."""

    def __getstate__(self) -> dict[str, Any]:
        return {"harmless": True}

    def __setstate__(self, state: dict[str, Any]) -> None:
        leave_mark()

    def fit(self, rows: Any, target: Any = None) -> "SkopsIntruder":  # noqa: ARG002 - scikit-learn's
        return self

    def transform(self, rows: Any) -> Any:
        return rows


class HarmlessRidge(Ridge):  # type: ignore[misc] # scikit-learn has no types
    """A model's part that skops does not know, and an operator may trust."""


class DeadlyRidge(Ridge):  # type: ignore[misc] # scikit-learn has no types
    """Takes the process down that builds it again, as native code on broken memory does."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        os.kill(os.getpid(), signal.SIGSEGV)


DEADLY: Final = (
    "tests.worlds.spoiled_models.DeadlyRidge"  # to be trusted by an operator, or skops builds none
)


def with_estimator(data: bytes, change: Callable[[Any], Any]) -> bytes:
    """The same pipeline with another estimator."""
    pipeline = skops.io.loads(data, trusted=list(trusted_types("ridge")))
    changed = Pipeline([("preprocessing", pipeline[0]), ("model", change(pipeline[-1]))])
    return bytes(skops.io.dumps(changed))


def harmless(ridge: Any) -> Any:
    made = HarmlessRidge()
    made.__dict__.update(ridge.__dict__)
    return made


def deadly(ridge: Any) -> Any:
    made = DeadlyRidge()
    made.__dict__.update(ridge.__dict__)
    return made


def without_a_number(ridge: Any) -> Any:
    ridge.coef_ = ridge.coef_ * float("nan")
    return ridge


def intruding_skops() -> bytes:
    return bytes(skops.io.dumps(Pipeline([("preprocessing", SkopsIntruder()), ("model", None)])))


def intruding_pickle() -> bytes:
    return pickle.dumps(Intruder())


def intruding_joblib() -> bytes:
    file = io.BytesIO()
    joblib.dump(Intruder(), file)
    return file.getvalue()


def intruding_cloudpickle() -> bytes:
    return bytes(cloudpickle.dumps(Intruder()))


INTRUDING_CODE: Final = f"""import os, pathlib
pathlib.Path(os.environ["{MARK}"]).touch()
""".encode()
