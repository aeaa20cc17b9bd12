"""Open run: the MLflow run that is the record of everything, and the logged model in it."""

from collections.abc import Callable

from domain.models import LoggedModel, OpenedRun
from domain.ports.experiment_tracker import ExperimentTracker
from domain.resolved_config import ResolvedConfig
from domain.run import Run, run_name


async def open_run(
    run: Run, config: ResolvedConfig, tracker: ExperimentTracker, *, is_new: bool = False
) -> OpenedRun:
    """Find or create this request's run, tagged so that it is found again."""
    name, tags = run_name(run.run_id, config.triple), opening_tags(run, config)
    started_at = run.updated_at if run.ended else None  # made late: it ended before
    return await tracker.open_run(run.run_id, name, tags, is_new=is_new, started_at=started_at)


def opening_tags(run: Run, config: ResolvedConfig) -> dict[str, str]:
    """Say whose run it is and which files it was configured by."""
    asked = {name: str(run.payload[name]) for name in ("requested_by", "reason") if run.payload.get(name)}
    return {
        "laurel.run_id": run.run_id,
        "laurel.request": run.identity,
        "laurel.correlation_id": run.correlation_id,
        **{f"laurel.{name}": text for name, text in asked.items()},
        **({"laurel.fit_threads": str(config.fit_threads)} if config.fit_threads else {}),
        **{f"laurel.config.{use.family}": f"{use.name}:{use.sha256}" for use in config.uses()},
    }


async def create_model(
    opened: OpenedRun,
    config: ResolvedConfig,
    tracker: ExperimentTracker,
    on_created: Callable[[LoggedModel], None],
    *,
    is_new: bool = False,
) -> LoggedModel:
    """Find or create the logged model; beside the split, since the package tells its id."""
    params = {"model_type": config.model.model.type, **config.model.model.params}
    tags = {"laurel.feature_version": f"{config.features.version}"}
    return await tracker.create_model(opened, params, tags, is_new=is_new, on_created=on_created)
