"""Every knob of the inference service, which needs neither Kafka nor a database nor the data root.

Names that other roles have too mean the same here.
"""

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt, SecretStr
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from config.addresses import EntranceSettings, Folder, HttpUrl, json_list_or, words_in
from config.setting_groups import GROUP, LogSettings, MlflowSettings
from config.settings import Group, ModelName

TypeNames = Annotated[
    tuple[Annotated[str, Field(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)+$")], ...],
    NoDecode,
    json_list_or(words_in, "names separated by commas, or a JSON list of names"),
]


class InferenceGroup(EntranceSettings):
    """How the inference service listens, answers and loads."""

    model_config = GROUP

    host: str = Field(default="127.0.0.1", min_length=1, description="address to bind to")
    port: int = Field(default=18082, ge=0, le=65535, description="port of all its pages; 0: any free port")
    unknown_fields: Literal["ignore", "refuse"] = Field(
        default="ignore", description="what to do with fields that are not features of the model"
    )
    max_rows: PositiveInt = Field(default=10_000, le=1_000_000, description="maximum rows of one request")
    max_body_bytes: PositiveInt = Field(
        default=16 * 1024 * 1024, le=1024**3, description="largest request that is read"
    )
    cache_folder: Folder | None = Field(
        default=None, description="where verified models are kept; default: laurel in the user's cache"
    )
    verification_key_file: Folder | None = Field(
        default=None, description="public key (PEM); with it a model without a valid signature is refused"
    )
    trusted_types: TypeNames = Field(
        default=(), description="types that a model may hold in addition to those of Laurel's own pipelines"
    )
    grace_seconds: PositiveFloat = Field(
        default=20.0, le=600, description="time that requests in hand have to end after SIGTERM"
    )


class InferenceSettings(BaseSettings):
    """All settings of `laurel inference`. A bad value stops the start; every fault is listed at once."""

    model_config = SettingsConfigDict(
        env_nested_delimiter="__",
        env_ignore_empty=True,
        env_file=".env",
        env_file_encoding="utf-8",
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
        protected_namespaces=(),
    )

    mlflow_tracking_uri: HttpUrl = Field(description="address of the MLflow server")
    mlflow_model_name: ModelName = Field(
        default="construction_cost_model", description="the registered model that is served"
    )
    inference_internal_token: SecretStr | None = Field(
        default=None,
        min_length=1,
        description="bearer token for all pages but /health and /metrics; without one /reload is closed",
    )
    inference: Group[InferenceGroup] = InferenceGroup()
    mlflow: Group[MlflowSettings] = MlflowSettings()
    log: Group[LogSettings] = LogSettings()
