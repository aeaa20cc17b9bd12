"""A task for your orchestrator: ask Laurel to train production's own versions on today's data.

For Airflow, whose Python tasks are handed their run's id by the name `run_id`:

    PythonOperator(task_id="ask_for_training", python_callable=publish_production_triple)
    task(publish_production_triple)()  # the same in a TaskFlow DAG

By hand: python orchestrator_task.py manual-1

The orchestrator's run id is the event's id: a task that is tried again asks for the same training, not for
a second one. Needs `mlflow` (or `mlflow-skinny`) and `confluent-kafka`.
"""

import json
import os
import sys

from confluent_kafka import KafkaException, Producer
from mlflow import MlflowClient

TRIPLE = ("split_version", "feature_version", "model_version")
SOURCE = "/retrain_policy_dag"  # the DAG that asks; source and id together say which request it is


def publish_production_triple(run_id: str) -> dict[str, int]:
    """Read what production was trained from, and publish exactly that. Returns it."""
    model_name = os.environ["MLFLOW_MODEL_NAME"]
    triple = production_triple(model_name)
    publish(run_id, {"model_name": model_name, **triple})  # the topic may serve more than one model
    return triple


def production_triple(model_name: str) -> dict[str, int]:
    """The three versions, as the run behind the alias `prod` has them."""
    client = MlflowClient()  # where MLFLOW_TRACKING_URI says
    version = client.get_model_version_by_alias(model_name, "prod")
    params = client.get_run(version.run_id).data.params
    missing = [name for name in TRIPLE if name not in params]
    if missing:
        raise ValueError(f"the run of {model_name} version {version.version} has no param {missing}")
    return {name: int(params[name]) for name in TRIPLE}


def publish(event_id: str, payload: dict[str, str | int]) -> None:
    """Return once Kafka has acknowledged the request."""
    failures = []
    producer = Producer(
        {
            "bootstrap.servers": os.environ["KAFKA_BOOTSTRAP_SERVERS"],
            "enable.idempotence": True,
            "message.timeout.ms": 20_000,
        }
    )
    producer.produce(
        os.environ.get("TRAINING_TOPIC", "training.requested"),
        json.dumps(payload).encode(),
        headers=[
            ("ce_specversion", "1.0"),
            ("ce_id", event_id),
            ("ce_source", SOURCE),
            ("ce_type", "laurel.training.requested.v1"),
            ("content-type", "application/json"),
        ],
        on_delivery=lambda error, _: failures.append(error) if error else None,
    )
    producer.flush()  # returns when the delivery report came, at the latest after message.timeout.ms
    if failures:
        raise KafkaException(failures[0])


if __name__ == "__main__":
    match sys.argv[1:]:
        case [run_id]:
            print(publish_production_triple(run_id))
        case _:
            sys.exit("usage: python orchestrator_task.py RUN_ID")
