"""Pages for the DAGs: the one that the lifecycle plays, and those that are known by name."""

from fastapi import APIRouter

from service.api.dag.descriptions import DAG, DAGS
from service.api.dag.desk import DagDesk
from service.api.dag.runs import MOST, Limit, Offset, page_size
from service.api.dag.shapes import Dag, DagCollection
from service.api.dag.views import dag_shape


def add_dag_routes(router: APIRouter, desk: DagDesk) -> None:
    """Add the pages."""

    @router.get("/api/v1/dags", **DAGS)
    async def dags(limit: Limit = MOST, offset: Offset = 0) -> DagCollection:
        shown = desk.dag_ids[offset : offset + page_size(limit)]
        shapes = tuple(dag_shape(dag_id, plays=desk.plays(dag_id)) for dag_id in shown)
        return DagCollection(dags=shapes, total_entries=len(desk.dag_ids))

    @router.get("/api/v1/dags/{dag_id}", **DAG)
    async def dag(dag_id: str) -> Dag:
        plays = desk.plays(dag_id)
        return dag_shape(desk.dag_id if plays else dag_id, plays=plays)
