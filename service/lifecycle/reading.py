"""What commands look into that need MLflow's record or the outbox too; looking changes nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from config.settings import Settings
from domain.ports.experiment_tracker import ExperimentTracker
from domain.ports.messages import Outbox
from domain.ports.model_registry import ModelRegistry
from domain.ports.promotion_ledger import PromotionLedger
from domain.ports.run_store import RunStore
from domain.ports.workers import Workers
from service.adapters.mlflow.experiment_tracker import MlflowExperimentTracker
from service.adapters.mlflow.model_registry import MlflowModelRegistry
from service.adapters.mlflow.rest import MlflowRest
from service.adapters.postgres.database import Database, open_database
from service.adapters.postgres.outbox import PostgresOutbox
from service.adapters.postgres.promotion_ledger import PostgresPromotionLedger
from service.adapters.postgres.run_store import PostgresRunStore
from service.adapters.postgres.schema import require_current
from service.adapters.postgres.sessions import require_sessions
from service.adapters.postgres.workers import PostgresWorkers
from service.lifecycle.registry import open_mlflow


@dataclass(frozen=True)
class Reading:
    """What commands look into; nothing here is changed by looking."""

    store: RunStore
    ledger: PromotionLedger
    outbox: Outbox
    registry: ModelRegistry
    tracker: ExperimentTracker
    workers: Workers
    database: Database
    rest: MlflowRest


@asynccontextmanager
async def open_reading(settings: Settings) -> AsyncIterator[Reading]:
    """Open what commands read from. Raises Stop when the schema is not this version's, or for a pooler."""
    await require_sessions(settings.sqlalchemy_url)
    await asyncio.to_thread(require_current, settings.sqlalchemy_url)
    opening = open_database(settings.sqlalchemy_url, application="laurel-cli")
    async with open_mlflow(settings) as rest, opening as database:
        yield Reading(
            store=PostgresRunStore(database),
            ledger=PostgresPromotionLedger(database),
            outbox=PostgresOutbox(database, settings.mlflow_model_name),
            registry=MlflowModelRegistry(rest, settings.mlflow.alias),
            tracker=MlflowExperimentTracker(rest, settings.mlflow_experiment, database.clock),
            workers=PostgresWorkers(database),
            database=database,
            rest=rest,
        )
