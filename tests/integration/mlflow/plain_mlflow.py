"""What the user's own tools do, with nothing but MLflow and scikit-learn: save a tiny model, load models.

Run as a script in a process of its own: `save FOLDER`, or `predict URI…` (prints one prediction per URI).
"""

import sys

import mlflow
import pandas as pd
from mlflow.models import infer_signature
from sklearn.linear_model import LinearRegression

FRAME = pd.DataFrame({"area": [1.0, 2.0, 3.0], "rooms": [1.0, 1.0, 2.0]})
TARGET = 10.0 * FRAME["area"] + FRAME["rooms"]


def main() -> None:
    command, *arguments = sys.argv[1:]
    if command == "save":
        mlflow.sklearn.save_model(
            LinearRegression().fit(FRAME, TARGET),
            arguments[0],
            serialization_format="skops",
            signature=infer_signature(FRAME, TARGET),
            pip_requirements=["scikit-learn", "skops"],
        )
        return
    for uri in arguments:
        sys.stdout.write(f"{mlflow.pyfunc.load_model(uri).predict(FRAME.head(1))[0]:.6f}\n")


if __name__ == "__main__":
    main()
