"""The second step: version the split with DVC, and push it."""

from functools import cache
from pathlib import Path
from typing import Final

from dvc.repo import Repo

from bench.steps.order import Request

_TARGETS: Final = {
    "dvc_master_hash": "processed/master.parquet",
    "dvc_split_hash": "splits/v1",
    "dvc_reference_hash": "reference/tests/v1",
}


def version(request: Request) -> dict[str, str]:
    """Add and push master, split and reference; return DVC's hashes."""
    data = request.place.data
    repo = _repository(data)
    stages = repo.add([str(data / target) for target in _TARGETS.values()])
    repo.push()
    return {name: stage.outs[0].hash_info.value for name, stage in zip(_TARGETS, stages, strict=True)}


@cache
def _repository(data: Path) -> Repo:
    if not (data / ".dvc").exists():
        repo = Repo.init(str(data), no_scm=True)
        with repo.config.edit() as config:
            config["core"]["remote"] = "local"
            config["core"]["analytics"] = False
            config["remote"]["local"] = {"url": str(data.parent / "dvc-remote")}
    return Repo(str(data))
