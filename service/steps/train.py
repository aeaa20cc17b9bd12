"""Train: the logged model that the fitted pipeline becomes."""

from domain.models import LoggedModel, OpenedRun
from domain.resolved_config import ResolvedConfig
from service.world import World


async def create_model(
    opened: OpenedRun, config: ResolvedConfig, world: World, *, is_new: bool = False
) -> LoggedModel:
    """Find or create the logged model; beside the split, since the package tells its id."""
    params = {"model_type": config.model.model.type, **config.model.model.params}
    tags = {"laurel.feature_version": f"{config.features.version}"}
    return await world.tracker.create_model(opened, params, tags, is_new=is_new)
