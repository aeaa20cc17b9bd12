"""Every knob of every role, read once from the environment (and `.env`), with safe defaults.

Flat names are those that a platform already sets; everything else is nested, `WORKER__LEASE_SECONDS`.
"""

from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

_GROUP = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
_METADATA_HOSTS = frozenset({"169.254.169.254", "metadata.google.internal", "fd00:ec2::254"})


def _http_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("must be an http:// or https:// address")
    if parts.username or parts.password:
        raise ValueError("must not carry credentials; give them in their own settings")
    if parts.hostname in _METADATA_HOSTS:
        raise ValueError("must not be a cloud's metadata address")
    return value.rstrip("/")


def _bootstrap_servers(value: str) -> str:
    for server in value.split(","):
        host, _, port = server.strip().rpartition(":")
        if not host or not port.isdigit():
            raise ValueError("must be host:port, several separated by commas")
    return value


def _model_name(value: str) -> str:
    if any(sign in value for sign in "/:\\") or not value.isprintable():
        raise ValueError("must be printable, without '/', ':' and '\\'")
    return value


HttpUrl = Annotated[str, AfterValidator(_http_url)]
BootstrapServers = Annotated[str, AfterValidator(_bootstrap_servers)]
ModelName = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_model_name)]


class WorkerSettings(BaseModel):
    """How a worker claims, works and gives up."""

    model_config = _GROUP

    id: str | None = Field(
        default=None, max_length=100, description="stable name of this worker; default: host name"
    )
    lifecycles_at_once: PositiveInt = Field(
        default=1, le=64, description="runs that one worker carries side by side"
    )
    lease_seconds: PositiveFloat = Field(
        default=30.0, le=3600, description="a silent worker's runs are taken over after this"
    )
    max_attempts: PositiveInt = Field(
        default=3, le=100, description="starts of one step before the run fails"
    )
    retry_seconds: PositiveFloat = Field(
        default=2.0, le=3600, description="first pause before a step is tried again; doubles"
    )
    retry_seconds_max: PositiveFloat = Field(
        default=60.0, le=86400, description="longest pause between two tries"
    )
    wait_budget_seconds: PositiveFloat = Field(
        default=21600.0, description="how long a run waits for a service before it fails"
    )
    grace_seconds: PositiveFloat = Field(default=20.0, le=600, description="time to end in after SIGTERM")
    reconcile_seconds: PositiveFloat = Field(
        default=10.0, le=3600, description="pause between two looks at alias and defaults"
    )


class ChildSettings(BaseModel):
    """What a warm child process may use."""

    model_config = _GROUP

    threads: PositiveInt = Field(default=1, le=256, description="OpenMP and BLAS threads of a fit")
    polars_threads: PositiveInt = Field(default=2, le=256, description="threads of a split")
    step_timeout_seconds: PositiveFloat = Field(default=3600.0, description="longest time of one heavy task")
    memory_megabytes: PositiveInt = Field(
        default=8192, description="most memory of one child and its descendants"
    )
    seed: int = Field(
        default=42, ge=0, le=2**32 - 1, description="seed of every fit that does not set its own"
    )


class KafkaSettings(BaseModel):
    """How to speak to the broker."""

    model_config = _GROUP

    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT", description="as the broker's listener asks for"
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = Field(
        default=None, description="with SASL_…"
    )
    sasl_username: str | None = Field(default=None, description="with SASL_…")
    sasl_password: SecretStr | None = Field(default=None, description="with SASL_…")
    ca_file: Path | None = Field(default=None, description="certificates to trust, with …SSL")
    partitions: PositiveInt = Field(
        default=3, le=1000, description="of topics that `laurel topics ensure` makes"
    )
    replication_factor: PositiveInt = Field(default=1, le=9, description="likewise; 3 in production")
    session_timeout_seconds: PositiveFloat = Field(
        default=10.0, description="a silent consumer leaves its group after this"
    )
    max_poll_interval_seconds: PositiveFloat = Field(
        default=300.0, description="longest pause between two polls"
    )
    max_request_bytes: PositiveInt = Field(default=262_144, description="largest request that is read")
    max_event_bytes: PositiveInt = Field(default=900_000, description="largest event that is announced")
    send_timeout_seconds: PositiveFloat = Field(
        default=10.0, description="longest wait for one acknowledgement"
    )

    @model_validator(mode="after")
    def _sasl_is_whole(self) -> Self:
        wanted = self.security_protocol.startswith("SASL")
        given = (self.sasl_mechanism, self.sasl_username, self.sasl_password)
        if wanted and None in given:
            raise ValueError("SASL needs sasl_mechanism, sasl_username and sasl_password")
        if not wanted and any(value is not None for value in given):
            raise ValueError(
                "sasl_… is set but security_protocol does not ask for it; nothing is sent in the clear"
            )
        return self


class MlflowSettings(BaseModel):
    """How to speak to MLflow."""

    model_config = _GROUP

    username: str | None = Field(default=None, description="HTTP Basic user, if the server asks for one")
    password: SecretStr | None = Field(default=None, description="HTTP Basic password")
    token: SecretStr | None = Field(default=None, description="bearer token, instead of user and password")
    timeout_seconds: PositiveFloat = Field(default=8.0, le=20, description="longest wait for one answer")
    alias: str = Field(
        default="prod", min_length=1, max_length=100, description="the alias that production reads"
    )
    allow_foreign_champion: bool = Field(
        default=False, description="score a champion that Laurel did not make; loading it runs its code"
    )


class DvcSettings(BaseModel):
    """Where DVC keeps the bytes."""

    model_config = _GROUP

    remote_url: str | None = Field(default=None, description="folder or URL; default: DATA_ROOT/dvc/remote")
    cache_folder: Path | None = Field(default=None, description="default: DATA_ROOT/dvc/cache")


class GateSettings(BaseModel):
    """The promotion policy."""

    model_config = _GROUP

    metric: Literal["rmsle", "mae"] = Field(
        default="rmsle", description="judged on the reference set; lower is better"
    )
    minimum_effect: float = Field(
        default=0.0, ge=0, allow_inf_nan=False, description="gain that is not enough yet"
    )


class HttpSettings(BaseModel):
    """Where health and metrics answer."""

    model_config = _GROUP

    host: str = Field(default="127.0.0.1", description="address to bind to")
    worker_port: int = Field(
        default=18080, ge=0, le=65535, description="worker's /health and /metrics; 0: any free port"
    )
    listener_port: int = Field(
        default=18081, ge=0, le=65535, description="reload listener's; 0: any free port"
    )


class LogSettings(BaseModel):
    """How the roles log."""

    model_config = _GROUP

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="least level that is written"
    )
    format: Literal["json", "console"] = Field(
        default="json", description="json for machines, console for people"
    )


class Settings(BaseSettings):
    """All settings. A bad value stops the start; every fault is listed at once, and no value is printed."""

    model_config = SettingsConfigDict(
        env_nested_delimiter="__",
        env_file=".env",
        env_file_encoding="utf-8",
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    config_root: Path = Field(description="folder of active_config.yaml and the four families")
    data_root: Path = Field(description="folder of processed/, splits/ and reference/")
    kafka_bootstrap_servers: BootstrapServers = Field(description="host:port of the broker")
    database_url: SecretStr = Field(description="postgresql://user:password@host:port/name")
    mlflow_tracking_uri: HttpUrl = Field(description="address of the MLflow server")
    mlflow_experiment: str = Field(
        default="construction_cost", min_length=1, description="experiment of every run"
    )
    mlflow_model_name: ModelName = Field(
        default="construction_cost_model", description="the registered model that this deployment looks after"
    )
    inference_api_url: tuple[HttpUrl, ...] | HttpUrl | None = Field(
        default=None, description="inference servers to reload, one address or a JSON list"
    )
    inference_internal_token: SecretStr | None = Field(
        default=None, description="bearer token of POST /reload"
    )

    worker: WorkerSettings = WorkerSettings()
    child: ChildSettings = ChildSettings()
    kafka: KafkaSettings = KafkaSettings()
    mlflow: MlflowSettings = MlflowSettings()
    dvc: DvcSettings = DvcSettings()
    gate: GateSettings = GateSettings()
    http: HttpSettings = HttpSettings()
    log: LogSettings = LogSettings()

    @property
    def inference_servers(self) -> tuple[str, ...]:
        """The servers to reload, as a tuple."""
        found = self.inference_api_url
        return () if found is None else (found,) if isinstance(found, str) else found

    @property
    def sqlalchemy_url(self) -> str:
        """The database address with the driver that Laurel uses."""
        url = self.database_url.get_secret_value()
        scheme, _, rest = url.partition("://")
        return (
            f"postgresql+psycopg://{rest}"
            if scheme in {"postgres", "postgresql", "postgresql+psycopg"}
            else url
        )

    @property
    def database_password(self) -> str | None:
        """The password in the database address, to be kept out of every output."""
        return urlsplit(self.database_url.get_secret_value()).password

    @model_validator(mode="after")
    def _database_is_postgresql(self) -> Self:
        if not self.sqlalchemy_url.startswith("postgresql+psycopg://"):
            raise ValueError("DATABASE_URL must be a postgresql:// address; Laurel has no other run store")
        return self

    @model_validator(mode="after")
    def _lease_outlives_calls(self) -> Self:
        if self.worker.retry_seconds > self.worker.retry_seconds_max:
            raise ValueError("WORKER__RETRY_SECONDS must not be larger than WORKER__RETRY_SECONDS_MAX")
        return self


def settings_with(**values: Any) -> Settings:
    """Make settings from values alone, as the demo and the tests do; the environment fills the rest."""
    return Settings(**values)
