"""The settings of the HTTP API and of the notifier: addresses, rates, and roles with their tokens."""

from collections.abc import Mapping
from typing import Annotated, Final

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

from config.addresses import EntranceSettings, Folder, HttpUrls, json_list_or, words_of
from config.setting_groups import GROUP
from domain.notice_subjects import SUBJECTS, Subject
from domain.roles import DEFAULT, ROLES, Role


class Token(SecretStr):
    """A bearer token with the roles of its name."""

    def __init__(self, token: str, roles: tuple[Role, ...] = DEFAULT) -> None:
        super().__init__(token)
        self.roles = roles


def name_and_roles(name: str) -> tuple[str, tuple[Role, ...]]:
    """Take `name/roles` apart; a name may hold slashes of its own. Raises ValueError."""
    before, slash, text = name.rpartition("/")
    if not slash or _words(text).isdisjoint(ROLES):
        return name, DEFAULT
    return before.strip(), read_roles(text)


def read_roles(text: str) -> tuple[Role, ...]:
    """Read `ask`, `operate`, `ask+operate`. Raises ValueError."""
    named = _words(text)
    if unknown := sorted(named.difference(ROLES)):
        raise ValueError(f"there is no role {unknown[0]!r}: allowed are ask, operate and ask+operate")
    return tuple(role for role in ROLES if role in named)


def roles_of(value: object) -> object:
    """Read roles from a text of the environment."""
    return read_roles(value) if isinstance(value, str) else value


def _words(text: str) -> frozenset[str]:
    return frozenset(word.strip() for word in text.replace(",", "+").split("+"))


_LEAST_TOKEN: Final = 16
_LONGEST_NAME: Final = 200  # who asked stands in each request, and no request takes a longer one


def _named_tokens(value: object) -> object:
    """Read `name:token` or `name/roles:token`, separated by commas; one token alone is that of `api`."""
    if not isinstance(value, str):
        return value
    pairs = [pair.strip() for pair in value.split(",") if pair.strip()]
    read = [
        (name.strip(), token.strip()) if mark else ("api", name)
        for name, mark, token in (pair.partition(":") for pair in pairs)
    ]
    tokens = [(*name_and_roles(name), token) for name, token in read]
    named = {name: Token(token, roles) for name, roles, token in tokens}
    if len(named) < len(tokens):
        raise ValueError("must name each token once: name:token, separated by commas")
    return named


def _at_least_one(subjects: tuple[Subject, ...]) -> tuple[Subject, ...]:
    if not subjects:
        raise ValueError(f"must name at least one of {', '.join(SUBJECTS)}")
    return subjects


NamedTokens = Annotated[Mapping[str, SecretStr], NoDecode, BeforeValidator(_named_tokens)]
Roles = Annotated[tuple[Role, ...], NoDecode, BeforeValidator(roles_of)]
SecretWords = Annotated[
    tuple[SecretStr, ...],
    NoDecode,
    json_list_or(str.split, "addresses separated by spaces, or a JSON list of them"),
]
Subjects = Annotated[tuple[Subject, ...], NoDecode, BeforeValidator(words_of), AfterValidator(_at_least_one)]


class ApiSettings(EntranceSettings):
    """How `laurel api` listens, and whom it lets in."""

    model_config = GROUP

    host: str = Field(default="127.0.0.1", min_length=1, description="address to bind to")
    port: int = Field(default=18084, ge=0, le=65535, description="port of all its pages; 0: any free port")
    tokens: NamedTokens = Field(
        default={},
        description="bearer tokens, name:token or name/roles:token separated by commas, roles being ask, "
        "operate or ask+operate (default: ask); without one /training-requests is closed",
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
    basic_roles: Roles = Field(
        default=DEFAULT, description="what that user may do beyond reading: ask, operate or ask+operate"
    )
    dag_id: str = Field(
        default="train_pipeline_dag",
        min_length=1,
        max_length=250,
        pattern=r"^[\w.~:+-]+$",
        description="the id of the DAG of /api/v1",
    )
    empty_dags: Annotated[tuple[str, ...], NoDecode, BeforeValidator(words_of)] = Field(
        default=("data_pipeline_dag", "retrain_policy_dag"),
        description="DAGs that /api/v1 lists without runs",
    )
    send_seconds: PositiveFloat = Field(
        default=4.0,
        le=60,
        description="maximum wait for Kafka's acknowledgement of a request; clients give up after 5 s",
    )
    max_body_bytes: PositiveInt = Field(
        default=65_536, le=262_144, description="largest request that is read"
    )
    asks_per_minute: PositiveInt = Field(default=120, description="training requests of one caller")
    calls_per_minute: PositiveInt = Field(default=6000, description="calls of one caller")
    max_streams: PositiveInt = Field(default=100, description="concurrent progress streams")
    cors_origins: HttpUrls = Field(
        default=(),
        description="origins whose pages may call, one or a JSON list; none: no cross-origin calls",
    )
    grace_seconds: PositiveFloat = Field(
        default=20.0, le=600, description="time that requests in hand have to end after SIGTERM"
    )

    @property
    def token_roles(self) -> Mapping[str, tuple[Role, ...]]:
        """What each token's holder may do beyond reading, by its name."""
        return {
            name: token.roles if isinstance(token, Token) else DEFAULT for name, token in self.tokens.items()
        }

    @field_validator("tokens")
    @classmethod
    def _long_enough(cls, tokens: Mapping[str, SecretStr]) -> Mapping[str, SecretStr]:
        faults = []
        if any(len(token.get_secret_value()) < _LEAST_TOKEN for token in tokens.values()):
            faults.append(
                f"each token must have at least {_LEAST_TOKEN} characters: name:token, separated by commas"
            )
        if not all(0 < len(name) <= _LONGEST_NAME for name in tokens):
            faults.append(f"each token's name must have 1 to {_LONGEST_NAME} characters")
        if faults:
            raise ValueError("; ".join(faults))
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
    subjects: Subjects = Field(default=SUBJECTS, description="the subjects to send")
    templates_folder: Folder | None = Field(
        default=None, description="own wording: a file promoted.txt, failed.txt … for each subject"
    )
    ca_file: Folder | None = Field(
        default=None,
        description="further certificates (PEM) to trust at https:// channels, beyond the system's",
    )
    tries: PositiveInt = Field(default=4, le=100, description="how often a channel is tried for one message")
    retry_seconds: PositiveFloat = Field(
        default=2.0, le=600, description="pause before the second try; doubles"
    )
    timeout_seconds: PositiveFloat = Field(default=10.0, le=120, description="maximum wait for one channel")
    port: int = Field(default=18085, ge=0, le=65535, description="its /health and /metrics; 0: any free port")
