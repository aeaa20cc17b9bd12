"""What somebody else's server does: load models by MLflow alone, where none of our packages can be imported.

Run as a program: `bare_predictor.py JOBS.json`, a list of {model, rows, nulls}; prints the predictions of the
rows in bulk, one by one, and of the row of nulls (if the job has one), as JSON.
"""

import json
import sys
from importlib.abc import MetaPathFinder
from pathlib import Path
from typing import Any, NoReturn

OURS = frozenset({"domain", "service", "handlers", "config", "tests"})


class Blocker(MetaPathFinder):
    """Refuses to import anything of ours."""

    def find_spec(self, fullname: str, *_: object) -> None:
        if fullname.partition(".")[0] in OURS:
            refuse(fullname)


def refuse(name: str) -> NoReturn:
    raise ImportError(f"{name} is not installed on this server")


def predictions(job: dict[str, Any]) -> dict[str, Any]:
    import mlflow.pyfunc  # noqa: PLC0415 - behind the blocker
    import pandas as pd  # noqa: PLC0415

    model = mlflow.pyfunc.load_model(job["model"])
    rows = job["rows"]
    empty = job.get("nulls")
    nulls = [pd.DataFrame([row]) for row in (empty, dict.fromkeys(empty, pd.NA))] if empty else []
    return {
        "bulk": [float(value) for value in model.predict(pd.DataFrame(rows))],
        "one by one": [float(model.predict(pd.DataFrame([row]))[0]) for row in rows],
        "nulls": [float(model.predict(frame)[0]) for frame in nulls],
    }


if __name__ == "__main__":
    sys.meta_path.insert(0, Blocker())
    jobs = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    print(json.dumps([predictions(job) for job in jobs]))  # noqa: T201 - its answer
