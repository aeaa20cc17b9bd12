"""What the pages of the DAG API are made of."""

from dataclasses import dataclass

from domain.ports.run_store import AskedRequests, RunStore
from domain.ports.variables import Variables
from service.gateway.dag.refusals import absent
from service.gateway.rates import Rate
from service.gateway.submissions import Asking
from service.lifecycle.cancel import Cancelling

_ALL_DAGS = "~"


@dataclass(frozen=True)
class DagDependencies:
    """`dag_id` is the DAG that the lifecycle plays; `empty_dags` are known by name and have no runs."""

    asking: Asking
    requests: AskedRequests
    runs: RunStore
    variables: Variables
    asks: Rate
    cancelling: Cancelling
    max_body_bytes: int
    dag_id: str
    empty_dags: tuple[str, ...]
    mlflow_uri: str

    @property
    def dag_ids(self) -> tuple[str, ...]:
        """Every DAG that is known, in order."""
        return tuple(sorted({self.dag_id, *self.empty_dags}))

    def plays(self, dag_id: str) -> bool:
        """True for the DAG with runs, False for one without. Raises Problem for one that nobody knows."""
        if dag_id in {self.dag_id, _ALL_DAGS}:
            return True
        if dag_id not in self.empty_dags:
            raise absent(f"DAG with dag_id {dag_id!r}")
        return False
