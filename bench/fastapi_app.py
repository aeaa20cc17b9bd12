"""The few lines with which a pipeline is served by hand: FastAPI, pandas, `predict`. No bounds, no checks."""

import sys
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import uvicorn
from fastapi import Body, FastAPI

from service.adapters.sklearn.loading import load_pipeline
from service.local.servers.ports import LOOPBACK


def app_of(pipeline: Any) -> FastAPI:
    """Answers one row with one prediction, and a list with a list, as Laurel does."""
    app = FastAPI()

    @app.get("/ping")
    def ping() -> None:
        """Say that it is there."""

    @app.post("/predict")
    def predict(asked: Annotated[Any, Body()]) -> Any:
        rows = asked if isinstance(asked, list) else [asked]
        said = [{"prediction": number} for number in pipeline.predict(pd.DataFrame(rows)).tolist()]
        return said if isinstance(asked, list) else said[0]

    return app


def main() -> None:
    """Serve the package of a folder on a port of 127.0.0.1."""
    folder, model_type, port = sys.argv[1:]
    app = app_of(load_pipeline((Path(folder) / "model.skops").read_bytes(), model_type))
    uvicorn.run(app, host=LOOPBACK, port=int(port), log_level="error", access_log=False)


if __name__ == "__main__":
    main()
