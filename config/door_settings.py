"""The settings of the doors: the HTTP api, and the notifier that tells people."""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import NoDecode

from config.addresses import Folder, HttpUrls
from config.setting_groups import GROUP
from domain.notice_fields import SUBJECTS, Subject

_LEAST_TOKEN: Final = 16
_LONGEST_NAME: Final = 200  # who asked stands in each request, and no request takes a longer one


def _named_tokens(value: Any) -> Any:
    """Read `name:token` pairs separated by commas; one token alone is that of `api`."""
    if not isinstance(value, str):
        return value
    pairs = [pair.strip() for pair in value.split(",") if pair.strip()]
    read = [
        (name.strip(), token.strip()) if mark else ("api", name)
        for name, mark, token in (pair.partition(":") for pair in pairs)
    ]
    names = [name for name, _ in read]
    if len(set(names)) < len(names):
        raise ValueError("must name each token once: name:token, separated by commas")
    return dict(read)


def _secret_words(value: Any) -> Any:
    """Read addresses separated by white space, or a JSON list of them."""
    if not isinstance(value, str):
        return value
    if not value.lstrip().startswith("["):
        return value.split()
    try:
        return json.loads(value)
    except ValueError:
        raise ValueError("must be addresses separated by spaces, or a JSON list of them") from None


def _words(value: Any) -> Any:
    return [word.strip() for word in value.split(",") if word.strip()] if isinstance(value, str) else value


def _at_least_one(subjects: tuple[Subject, ...]) -> tuple[Subject, ...]:
    if not subjects:
        raise ValueError(f"must name at least one of {', '.join(SUBJECTS)}")
    return subjects


NamedTokens = Annotated[Mapping[str, SecretStr], NoDecode, BeforeValidator(_named_tokens)]
SecretWords = Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_secret_words)]
Subjects = Annotated[tuple[Subject, ...], NoDecode, BeforeValidator(_words), AfterValidator(_at_least_one)]


class ApiSettings(BaseModel):
    """How `laurel api` listens, and whom it lets in."""

    model_config = GROUP

    host: str = Field(default="127.0.0.1", min_length=1, description="address to bind to")
    port: int = Field(default=18084, ge=0, le=65535, description="port of all its pages; 0: any free port")
    tokens: NamedTokens = Field(
        default={},
        description="bearer tokens, name:token separated by commas; without one /training-requests is closed",
    )
    basic_user: str | None = Field(
        default=None,
        min_length=1,
        max_length=_LONGEST_NAME,
        pattern="^[^:]+$",
        description="HTTP Basic user of /api/v1",
    )
    basic_password: SecretStr | None = Field(
        default=None,
        min_length=1,
        validate_default=True,
        description="its password; without both /api/v1 is closed",
    )
    dag_id: str = Field(
        default="train_pipeline_dag",
        min_length=1,
        max_length=250,
        pattern=r"^[\w.~:+-]+$",
        description="the DAG that /api/v1 plays",
    )
    empty_dags: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_words)] = Field(
        default=("data_pipeline_dag", "retrain_policy_dag"),
        description="DAGs that /api/v1 knows and that have no runs here",
    )
    send_seconds: PositiveFloat = Field(
        default=4.0,
        le=60,
        description="longest wait for Kafka's word on a request; clients give up after 5 s",
    )
    max_body_bytes: PositiveInt = Field(
        default=65_536, le=262_144, description="largest request that is read"
    )
    asks_per_minute: PositiveInt = Field(default=120, description="training requests of one caller")
    calls_per_minute: PositiveInt = Field(default=6000, description="calls of one caller")
    max_streams: PositiveInt = Field(default=100, description="progress streams at once")
    cors_origins: HttpUrls = Field(
        default=(),
        description="origins whose pages may call, one or a JSON list; none: no cross-origin calls",
    )
    grace_seconds: PositiveFloat = Field(
        default=20.0, le=600, description="time that requests in hand have to end after SIGTERM"
    )

    @field_validator("tokens")
    @classmethod
    def _long_enough(cls, tokens: Mapping[str, SecretStr]) -> Mapping[str, SecretStr]:
        if any(len(token.get_secret_value()) < _LEAST_TOKEN for token in tokens.values()):
            raise ValueError(
                f"each token must have at least {_LEAST_TOKEN} characters: name:token, separated by commas"
            )
        if not all(0 < len(name) <= _LONGEST_NAME for name in tokens):
            raise ValueError(f"each token's name must have 1 to {_LONGEST_NAME} characters")
        return tokens

    @field_validator("basic_password")
    @classmethod
    def _user_and_password(cls, password: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if "basic_user" in info.data and (info.data["basic_user"] is None) != (password is None):
            raise ValueError("API__BASIC_USER and API__BASIC_PASSWORD belong together")
        return password


class NotifierSettings(BaseModel):
    """Whom `laurel notifier` tells, and of what."""

    model_config = GROUP

    urls: SecretWords = Field(
        default=(), description="Apprise addresses of chat, mail or webhooks, separated by spaces"
    )
    subjects: Subjects = Field(default=SUBJECTS, description="what is told")
    templates_folder: Folder | None = Field(
        default=None, description="own wording: a file promoted.txt, failed.txt … for each subject"
    )
    ca_file: Folder | None = Field(
        default=None, description="certificates (PEM) to trust besides the system's, at https:// channels"
    )
    tries: PositiveInt = Field(default=4, le=100, description="how often a channel is tried for one message")
    retry_seconds: PositiveFloat = Field(
        default=2.0, le=600, description="pause before the second try; doubles"
    )
    timeout_seconds: PositiveFloat = Field(default=10.0, le=120, description="longest wait for one channel")
    port: int = Field(default=18085, ge=0, le=65535, description="its /health and /metrics; 0: any free port")
