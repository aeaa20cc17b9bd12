"""What the user's own tools do, with nothing but MLflow and scikit-learn: save a tiny model, load models.

Run as a script in a process of its own, `plain_mlflow.py URI…`, it loads and prints one prediction per URI.
"""

import sys
import warnings

import mlflow
import pandas as pd
from mlflow.models import infer_signature
from sklearn.linear_model import LinearRegression

FRAME = pd.DataFrame({"area": [1.0, 2.0, 3.0], "rooms": [1.0, 1.0, 2.0]})
TARGET = 10.0 * FRAME["area"] + FRAME["rooms"]


def save(folder: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # MLflow warns of type hints of its own
        mlflow.sklearn.save_model(
            LinearRegression().fit(FRAME, TARGET),
            folder,
            serialization_format="skops",
            signature=infer_signature(FRAME, TARGET),
            pip_requirements=["scikit-learn", "skops"],
        )


def main() -> None:
    for uri in sys.argv[1:]:
        sys.stdout.write(f"{mlflow.pyfunc.load_model(uri).predict(FRAME.head(1))[0]:.6f}\n")


if __name__ == "__main__":
    main()
