"""The six steps as a DAG of airflow: a task each. Values go through files, whose paths go through XCom."""

import pickle
from pathlib import Path
from typing import Any, Final

from airflow.providers.standard.operators.python import PythonOperator
from airflow.sdk import DAG
from airflow.sdk.bases.operator import chain

from bench.steps.order import STEPS, Request, call

_STEPS: Final = {step.name: step for step in STEPS}


def run(name: str, **context: Any) -> float | str:
    """Run one step of the DAG; the last one's value is the XCom itself."""
    step = _STEPS[name]
    request, instance = Request.of(context["dag_run"].conf), context["ti"]
    given = {name: pickle.loads(Path(instance.xcom_pull(task_ids=name)).read_bytes()) for name in step.needs}  # noqa: S301 - written by the task before
    value = call(step, request, given)
    if step == STEPS[-1]:
        return float(value)
    path = request.place.folder / f"{step.name}-{request.model_version}.pickle"
    path.write_bytes(pickle.dumps(value))
    return str(path)


with DAG("lifecycle", schedule=None):
    chain(
        *(
            PythonOperator(task_id=step.name, python_callable=run, op_kwargs={"name": step.name})
            for step in STEPS
        )
    )
