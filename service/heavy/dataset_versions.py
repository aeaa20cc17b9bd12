"""Port `DatasetVersions`, in the side child."""

from domain.datasets import DatasetHashes, SplitParts
from service.heavy.desk import Desk, Places


class ChildDatasetVersions:
    """Adds and pushes in a child, in a workspace of the run's own; cache and remote are shared."""

    def __init__(self, desk: Desk, places: Places, *, cache_folder: str, remote_url: str) -> None:
        self._desk = desk
        self._places = places
        self._cache_folder = cache_folder
        self._remote_url = remote_url

    async def version(self, run_id: str, parts: SplitParts) -> DatasetHashes:
        """Version every part and see it at the remote."""
        hashes = await self._desk.run(
            "side",
            "version",
            run_id=run_id,
            parts=parts.model_dump(mode="json"),
            workspace_folder=str(self._places.run(run_id) / "dvc"),
            cache_folder=self._cache_folder,
            remote_url=self._remote_url,
        )
        return DatasetHashes.model_validate(hashes)
