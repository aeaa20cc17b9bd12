"""What MLflow's REST API answers, as far as it is read here; a server may leave any of it out.

Nothing checks an answer against this: `errors.well_formed` sorts what reading one raises.
"""

from collections.abc import Sequence
from typing import TypedDict


class Pair(TypedDict, total=False):
    """A tag or a param."""

    key: str
    value: str


class RunInfo(TypedDict, total=False):
    """What identifies a run, and where it keeps its files."""

    run_id: str
    experiment_id: str
    artifact_uri: str
    start_time: int


class RunData(TypedDict, total=False):
    """What was logged to a run."""

    params: Sequence[Pair]
    tags: Sequence[Pair]


class ModelOutput(TypedDict, total=False):
    """A logged model that a run made."""

    model_id: str


class RunOutputs(TypedDict, total=False):
    """What a run made."""

    model_outputs: Sequence[ModelOutput]


class MlflowRun(TypedDict, total=False):
    """A run."""

    info: RunInfo
    data: RunData
    outputs: RunOutputs


class Experiment(TypedDict, total=False):
    """An experiment."""

    experiment_id: str
    lifecycle_stage: str
    artifact_location: str
    tags: Sequence[Pair]


class ModelInfo(TypedDict, total=False):
    """What identifies a logged model, and where its files are."""

    model_id: str
    name: str
    status: str
    source_run_id: str
    artifact_uri: str
    creation_timestamp_ms: int
    tags: Sequence[Pair]


class Model(TypedDict, total=False):
    """A logged model."""

    info: ModelInfo
    data: RunData


class ModelVersion(TypedDict, total=False):
    """A version of a registered model."""

    version: str
    source: str
    run_id: str
    user_id: str
    tags: Sequence[Pair]


class Alias(TypedDict, total=False):
    """A name for one version."""

    alias: str
    version: str


class Registered(TypedDict, total=False):
    """A registered model."""

    name: str
    description: str
    aliases: Sequence[Alias]
    tags: Sequence[Pair]
    latest_versions: Sequence[ModelVersion]


class ArtifactFile(TypedDict, total=False):
    """A file or a folder in a listing."""

    path: str
    is_dir: bool
    file_size: int


class MlflowAnswer(TypedDict, total=False):
    """The fields of every endpoint's answer."""

    run: MlflowRun
    runs: Sequence[MlflowRun]
    experiment: Experiment
    experiment_id: str
    model: Model
    models: Sequence[Model]
    model_version: ModelVersion
    model_versions: Sequence[ModelVersion]
    registered_model: Registered
    artifact_uri: str
    files: Sequence[ArtifactFile]
    next_page_token: str
    error_code: str
    message: str
