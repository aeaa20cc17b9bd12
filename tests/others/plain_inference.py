"""A platform's own inference service, with MLflow and pandas alone: it loads the champion, asks for its run.

Run as a program where none of our packages is: `plain_inference.py TRACKING_URI`. For each line of its input,
a model's name and rows as JSON, it prints what it read, as JSON. It ends where such a service cannot go on.
"""

import json
import sys
from typing import Any


def main(tracking_uri: str, name: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    import mlflow  # noqa: PLC0415 - a second, and only here
    import pandas as pd  # noqa: PLC0415

    mlflow.set_tracking_uri(tracking_uri)
    client = mlflow.MlflowClient()
    uri = f"models:/{name}@prod"
    model = mlflow.pyfunc.load_model(uri)
    told, version = model.metadata, client.get_model_version_by_alias(name, "prod")
    run = client.get_run(told.run_id)
    info = mlflow.models.get_model_info(f"runs:/{told.run_id}/model")
    frame = pd.DataFrame(rows)
    return {
        "version": int(version.version),
        "version's run": version.run_id,
        "run": told.run_id,
        "feature_version": int(run.data.params["feature_version"]),
        "one by one": [float(model.predict(pd.DataFrame([row]))[0]) for row in rows],
        "native": [float(value) for value in mlflow.sklearn.load_model(uri).predict(frame)],
        "model_id": told.model_id,
        "model_uuid": told.model_uuid,
        "artifact_path": told.artifact_path,
        "location": client.get_logged_model(told.model_id).artifact_location,
        "columns": told.get_input_schema().input_names(),
        "by run": [info.run_id, info.model_id],
        "outputs": [output.model_id for output in run.outputs.model_outputs],
    }


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(main(sys.argv[1], **json.loads(line))), flush=True)  # noqa: T201 - its answer
