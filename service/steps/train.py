"""Train: the fitted pipeline becomes the run's logged model."""

from domain.models import LoggedModel, ModelPackage, OpenedRun
from domain.ports.trainer import Trainer
from domain.resolved_config import ResolvedConfig
from service.world import World


async def create_model(opened: OpenedRun, config: ResolvedConfig, world: World) -> LoggedModel:
    """Find or create the logged model; during the fit, since it needs nothing of it."""
    params = {"model_type": config.model.model.type, **config.model.model.params}
    return await world.tracker.create_model(
        opened, params, {"laurel.feature_version": f"{config.features.version}"}
    )


async def log_model(package: ModelPackage, model: LoggedModel, world: World, trainer: Trainer) -> None:
    """Upload the package's files and mark the model ready."""
    await trainer.upload(package, model)
    await world.tracker.finalize_model(model)
