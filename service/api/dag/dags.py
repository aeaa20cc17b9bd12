"""Pages for the DAGs: the one that the lifecycle plays, and those that are known by name."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Query

from service.api.dag.descriptions import DAG, DAGS
from service.api.dag.desk import DagDesk
from service.api.dag.runs import MOST, Limit, Offset, page_size
from service.api.dag.shapes import Dag, DagCollection
from service.api.dag.views import dag_shape
from service.api.parameters import Flag, Texts

Order = Annotated[
    str,
    Query(pattern="^-?[a-z_]+$", description="By dag_id in any case; with a minus before it, backwards."),
]
Tags = Annotated[Texts, Query(description="Only DAGs with one of these: there are none here.")]
OnlyActive = Annotated[Flag, Query(description="All are active.")]
Paused = Annotated[Flag | None, Query(description="No DAG is paused: true finds none.")]
PartOfId = Annotated[str, Query(description="Only DAGs with this in their id, in either case.")]


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


Wanted = Annotated[DagFilter, Depends(DagFilter)]


def add_dag_routes(router: APIRouter, desk: DagDesk) -> None:
    """Add the pages."""

    @router.get("/api/v1/dags", **DAGS)
    async def dags(
        wanted: Wanted, limit: Limit = MOST, offset: Offset = 0, order_by: Order = "dag_id"
    ) -> DagCollection:
        kept = sorted(filter(wanted.keeps, desk.dag_ids), reverse=order_by.startswith("-"))
        page = kept[offset : offset + page_size(limit)]
        shapes = tuple(dag_shape(dag_id, plays=desk.plays(dag_id)) for dag_id in page)
        return DagCollection(dags=shapes, total_entries=len(kept))

    @router.get("/api/v1/dags/{dag_id}", **DAG)
    async def dag(dag_id: str) -> Dag:
        plays = desk.plays(dag_id)
        return dag_shape(desk.dag_id if plays else dag_id, plays=plays)
