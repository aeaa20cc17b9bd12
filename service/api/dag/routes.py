"""All pages of the DAG API."""

from fastapi import APIRouter

from service.api.dag.dags import add_dag_routes
from service.api.dag.desk import DagDesk
from service.api.dag.refusals import DagRoute
from service.api.dag.runs import add_run_routes
from service.api.dag.task_pages import add_task_routes
from service.api.dag.variables import add_variable_routes

__all__ = ["DagDesk", "dag_routes"]


def dag_routes(desk: DagDesk) -> APIRouter:
    """Make the pages."""
    router = APIRouter(tags=["DAG API"], route_class=DagRoute)
    for add in (add_run_routes, add_task_routes, add_dag_routes, add_variable_routes):
        add(router, desk)
    return router
