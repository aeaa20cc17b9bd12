"""All pages of the DAG API, and those for the DAGs: the one that the lifecycle plays, and others by name."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Query

from service.gateway.dag.dependencies import DagDependencies
from service.gateway.dag.refusals import DagRoute, dag_refusals
from service.gateway.dag.runs import MOST, DagId, Limit, Offset, add_run_routes, page_size
from service.gateway.dag.shapes import Dag, DagCollection
from service.gateway.dag.task_pages import add_task_routes
from service.gateway.dag.variables import add_variable_routes
from service.gateway.dag.views import dag_shape
from service.gateway.refusals import Flag, Texts

Order = Annotated[
    str,
    Query(pattern="^-?[a-z_]+$", description="Always by dag_id; with a minus before it, descending."),
]
Tags = Annotated[Texts, Query(description="Only DAGs with one of these tags: no DAG has any.")]
OnlyActive = Annotated[Flag, Query(description="All are active.")]
Paused = Annotated[Flag | None, Query(description="No DAG is paused: true finds none.")]
PartOfId = Annotated[str, Query(description="Only DAGs whose id contains this; case does not matter.")]


@dataclass(frozen=True)
class DagFilter:
    """What was asked for."""

    only_active: OnlyActive = True
    paused: Paused = None
    tags: Tags = None
    dag_id_pattern: PartOfId = ""

    def keeps(self, dag_id: str) -> bool:
        """True for a DAG that is wanted."""
        return not self.paused and not self.tags and self.dag_id_pattern.lower() in dag_id.lower()


WantedDag = Annotated[DagFilter, Depends(DagFilter)]


def add_dag_routes(router: APIRouter, dependencies: DagDependencies) -> None:
    """Add the pages."""

    @router.get("/api/v1/dags", summary="List DAGs", responses=dag_refusals())
    async def dags(
        wanted: WantedDag, limit: Limit = MOST, offset: Offset = 0, order_by: Order = "dag_id"
    ) -> DagCollection:
        kept = sorted(filter(wanted.keeps, dependencies.dag_ids), reverse=order_by.startswith("-"))
        page = kept[offset : offset + page_size(limit)]
        shapes = tuple(dag_shape(dag_id, plays=dependencies.plays(dag_id)) for dag_id in page)
        return DagCollection(dags=shapes, total_entries=len(kept))

    @router.get("/api/v1/dags/{dag_id}", summary="Show one DAG", responses=dag_refusals())
    async def dag(dag_id: DagId) -> Dag:
        plays = dependencies.plays(dag_id)
        return dag_shape(dependencies.dag_id if plays else dag_id, plays=plays)


__all__ = ["DagDependencies", "dag_routes"]


def dag_routes(dependencies: DagDependencies) -> APIRouter:
    """Make the pages."""
    router = APIRouter(tags=["DAG API"], route_class=DagRoute)
    for add in (add_run_routes, add_task_routes, add_dag_routes, add_variable_routes):
        add(router, dependencies)
    return router
