"""The nested settings, group by group: what a role may do, and how it speaks to its services."""

import re
from typing import Any, Literal, TypeVar

from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    ValidationInfo,
    field_validator,
)

from config.addresses import Folder, RemoteUrl, TlsSettings
from domain.metrics import DEFAULT_METRIC, GateMetric, gate_metrics

# What two fields contradict each other in is judged at the later one: no fault hides another.
GROUP = ConfigDict(
    frozen=True, defer_build=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False
)

T = TypeVar("T")


class WorkerSettings(BaseModel):
    """How a worker claims, works and gives up."""

    model_config = GROUP

    id: str | None = Field(
        default=None,
        max_length=100,
        pattern=r"^[A-Za-z0-9._-]+$",  # Kafka takes it as a member's name
        description="stable name of this worker; default: host name",
    )
    concurrent_lifecycles: PositiveInt = Field(
        default=1,
        le=64,
        validation_alias=AliasChoices("concurrent_lifecycles", "lifecycles_at_once"),
        description="concurrent runs of one worker",
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
        default=60.0, le=86400, validate_default=True, description="maximum pause between two tries"
    )
    wait_budget_seconds: PositiveFloat = Field(
        default=21600.0, description="how long a run waits for a service before it fails"
    )
    grace_seconds: PositiveFloat = Field(default=20.0, le=600, description="time to end in after SIGTERM")
    reconcile_seconds: PositiveFloat = Field(
        default=10.0, le=3600, description="interval between checks of alias, defaults and the master's rows"
    )
    keep_run_folders: PositiveInt = Field(
        default=20, description="ended runs whose folders below DATA_ROOT/runs are kept"
    )
    keep_run_parts: PositiveInt = Field(
        default=1,
        description="ended runs whose master and parts are kept there; of older ones DVC has them",
    )

    @field_validator("retry_seconds_max")
    @classmethod
    def _pauses_grow(cls, longest: float, info: ValidationInfo) -> float:
        if longest < info.data.get("retry_seconds", longest):
            raise ValueError("must not be less than WORKER__RETRY_SECONDS")
        return longest


class RetentionSettings(BaseModel):
    """How long PostgreSQL keeps what nobody reads any more; `laurel prune` removes what is older."""

    model_config = GROUP

    events_days: PositiveInt = Field(
        default=90, le=36_500, description="sent announcements of ended runs, except promotions"
    )
    outputs_days: PositiveInt = Field(
        default=365,
        le=36_500,
        description="what the steps of a run left that became no champion; its verdict stays",
    )
    in_workers: bool = Field(
        default=False, description="idle workers prune too, once an hour; else `laurel prune` alone"
    )


class ChildSettings(BaseModel):
    """What a warm child process may use."""

    model_config = GROUP

    threads: PositiveInt | None = Field(
        default=None,
        le=256,
        description="threads of a fit; default: 1 below 100,000 rows, then a run's share of the processors",
    )
    polars_threads: PositiveInt = Field(default=2, le=256, description="threads of a split")
    step_timeout_seconds: PositiveFloat = Field(
        default=3600.0, description="maximum duration of one heavy task"
    )
    memory_megabytes: PositiveInt = Field(
        default=8192, description="maximum memory of one child and its descendants"
    )
    seed: int = Field(
        default=42, ge=0, le=2**32 - 1, description="seed of every fit that does not set its own"
    )


class KafkaSettings(TlsSettings):
    """How to speak to the broker."""

    model_config = GROUP

    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT", description="as the broker's listener requires"
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = Field(
        default=None, validate_default=True, description="with SASL_…"
    )
    sasl_username: str | None = Field(default=None, validate_default=True, description="with SASL_…")
    sasl_password: SecretStr | None = Field(default=None, validate_default=True, description="with SASL_…")
    partitions: PositiveInt = Field(
        default=3, le=1000, description="of topics that `laurel topics ensure` creates"
    )
    replication_factor: PositiveInt = Field(default=1, le=9, description="likewise; 3 in production")
    session_timeout_seconds: PositiveFloat = Field(
        default=10.0, description="a silent consumer leaves its group after this"
    )
    max_poll_interval_seconds: PositiveFloat = Field(
        default=300.0, validate_default=True, description="maximum pause between two polls"
    )
    max_request_bytes: PositiveInt = Field(default=262_144, description="largest request that is read")
    max_event_bytes: PositiveInt = Field(default=900_000, description="largest event that is announced")

    @field_validator("sasl_mechanism", "sasl_username", "sasl_password")
    @classmethod
    def _sasl_is_whole(cls, given: T, info: ValidationInfo) -> T:
        protocol = info.data.get("security_protocol")
        if protocol is None:
            return given
        wanted = protocol.startswith("SASL")
        if wanted and given is None:
            raise ValueError(f"is needed: KAFKA__SECURITY_PROTOCOL is {protocol}")
        if not wanted and given is not None:
            raise ValueError(f"is set, but KAFKA__SECURITY_PROTOCOL is {protocol}, which does not use it")
        return given

    @field_validator("max_poll_interval_seconds")
    @classmethod
    def _polls_outlast_the_session(cls, interval: float, info: ValidationInfo) -> float:
        if interval < info.data.get("session_timeout_seconds", interval):
            raise ValueError("must not be less than KAFKA__SESSION_TIMEOUT_SECONDS")
        return interval


class MlflowSettings(TlsSettings):
    """How to speak to MLflow."""

    model_config = GROUP

    username: str | None = Field(default=None, description="HTTP Basic user, if the server requires one")
    password: SecretStr | None = Field(default=None, validate_default=True, description="HTTP Basic password")
    token: SecretStr | None = Field(default=None, description="bearer token, instead of user and password")
    timeout_seconds: PositiveFloat = Field(default=8.0, le=20, description="maximum wait for one answer")
    alias: str = Field(
        default="prod", min_length=1, max_length=100, description="the alias that production reads"
    )
    allow_foreign_champion: bool = Field(
        default=False, description="score a champion that Laurel did not make; loading it runs its code"
    )

    @field_validator("alias")
    @classmethod
    def _is_an_alias(cls, alias: str) -> str:
        if not re.fullmatch(r"[\w\-]+", alias) or re.fullmatch(r"latest|v\d+", alias, re.IGNORECASE):
            raise ValueError("must be one that MLflow takes: letters, digits, _ and -; not latest, not v1")
        return alias

    @field_validator("password")
    @classmethod
    def _user_and_password(cls, password: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if "username" in info.data and (info.data["username"] is None) != (password is None):
            raise ValueError("MLFLOW__USERNAME and MLFLOW__PASSWORD belong together")
        return password

    @field_validator("token")
    @classmethod
    def _one_way_in(cls, token: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if token is not None and info.data.get("username") is not None:
            raise ValueError("is set as well as MLFLOW__USERNAME: give one of the two")
        return token

    def for_client(self) -> dict[str, Any]:
        """What a client of MLflow needs in addition to its address, by name; secrets in the clear."""
        return {
            "username": self.username,
            "password": self.password.get_secret_value() if self.password else None,
            "token": self.token.get_secret_value() if self.token else None,
            "timeout_seconds": self.timeout_seconds,
            **{name: getattr(self, name) and str(getattr(self, name)) for name in TlsSettings.model_fields},
        }


class DvcSettings(BaseModel):
    """Where DVC keeps the bytes."""

    model_config = GROUP

    remote_url: RemoteUrl | None = Field(
        default=None, description="folder or URL; default: DATA_ROOT/dvc/remote"
    )
    cache_folder: Folder | None = Field(default=None, description="default: DATA_ROOT/dvc/cache")


class ReloadSettings(TlsSettings):
    """How the reload listener brings the inference servers to the champion."""

    model_config = GROUP

    poll_seconds: PositiveFloat = Field(
        default=15.0,
        le=3600,
        validation_alias=AliasChoices("poll_seconds", "look_seconds"),
        description="interval between checks of all inference servers",
    )
    try_seconds: PositiveFloat = Field(
        default=20.0, le=600, description="maximum time for one server to follow, over all tries"
    )
    tries: PositiveInt = Field(default=5, le=100, description="how often one server is tried in that time")


class SigningSettings(BaseModel):
    """What the worker signs registered models with."""

    model_config = GROUP

    key_file: Folder | None = Field(
        default=None, description="Ed25519 private key (PEM); without one, versions are not signed"
    )


class GateSettings(BaseModel):
    """The promotion policy."""

    model_config = GROUP

    metric: GateMetric = Field(
        default=DEFAULT_METRIC,
        description="judged on the reference set; lower is better",
        examples=list(gate_metrics()),
    )
    minimum_effect: float = Field(
        default=0.0, ge=0, allow_inf_nan=False, description="minimum gain required for promotion (exclusive)"
    )


class HttpSettings(BaseModel):
    """Where health and metrics answer."""

    model_config = GROUP

    host: str = Field(default="127.0.0.1", description="address to bind to")
    worker_port: int = Field(
        default=18080, ge=0, le=65535, description="worker's /health and /metrics; 0: any free port"
    )
    listener_port: int = Field(
        default=18081, ge=0, le=65535, description="reload listener's; 0: any free port"
    )


class LogSettings(BaseModel):
    """How the roles log."""

    model_config = GROUP

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="lowest level that is written"
    )
    format: Literal["json", "console"] = Field(
        default="json", description="json for machines, console for people"
    )
