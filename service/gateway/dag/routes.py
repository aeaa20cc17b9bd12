"""All pages of the DAG API."""

from fastapi import APIRouter

from service.gateway.dag.dags import add_dag_routes
from service.gateway.dag.dependencies import DagDependencies
from service.gateway.dag.refusals import DagRoute
from service.gateway.dag.runs import add_run_routes
from service.gateway.dag.task_pages import add_task_routes
from service.gateway.dag.variables import add_variable_routes

__all__ = ["DagDependencies", "dag_routes"]


def dag_routes(dependencies: DagDependencies) -> APIRouter:
    """Make the pages."""
    router = APIRouter(tags=["DAG API"], route_class=DagRoute)
    for add in (add_run_routes, add_task_routes, add_dag_routes, add_variable_routes):
        add(router, dependencies)
    return router
