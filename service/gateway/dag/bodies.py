"""The bodies that the DAG API reads."""

from collections.abc import Mapping
from typing import Annotated, Final, Literal, TypeVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic.json_schema import SkipJsonSchema

from domain.asked_request import ID_PATTERN, LONGEST_ID
from domain.request import VERSION_FIELDS, request_schema
from service.gateway.dag.refusals import bad_request, read_faults
from service.gateway.dag.tasks import LONGEST
from service.gateway.dag.times import in_utc, iso_text
from service.gateway.dag.views import NAMED_BY_DATE

B = TypeVar("B", bound=BaseModel)


def _whole(conf: dict[str, object] | None) -> dict[str, object] | None:
    """A generated client makes 3.0 of the 3 that it reads in a run's `conf`, and sends that again."""
    return conf and {
        name: int(value) if isinstance(value, float) and value.is_integer() else value
        for name, value in conf.items()
    }


_CONF_SCHEMA: Final = {
    "type": "object",
    "properties": {name: request_schema()["properties"][name] for name in VERSION_FIELDS},
    "additionalProperties": False,
}
_Conf = Annotated[
    dict[str, object] | None,
    AfterValidator(_whole),
    WithJsonSchema({"anyOf": [_CONF_SCHEMA, {"type": "null"}]}),
]
_Date = Annotated[AwareDatetime | None, BeforeValidator(iso_text), AfterValidator(in_utc)]


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class TriggerBody(_Body):
    """What triggers a run. All of it may be absent or null; the interval chooses no data and is not kept."""

    conf: _Conf = Field(None, description="What to train; what is absent is as production has it.")
    dag_run_id: str | None = Field(
        None, pattern=ID_PATTERN, max_length=LONGEST_ID, description="The same id is the same run."
    )
    logical_date: _Date = Field(None, description="It names the run that has no id.")
    execution_date: SkipJsonSchema[_Date] = None  # the old name of logical_date
    data_interval_start: _Date = Field(None, description="Not kept; given with the end or not at all.")
    data_interval_end: _Date = Field(None, description="Not kept; given with the start or not at all.")
    note: str | None = Field(None, max_length=LONGEST, description="Why; kept with the run.")

    @model_validator(mode="after")
    def _one_date(self) -> "TriggerBody":
        if len({self.logical_date, self.execution_date} - {None}) > 1:
            raise ValueError("logical_date and execution_date disagree; give one, or the same twice")
        return self

    @model_validator(mode="after")
    def _whole_interval(self) -> "TriggerBody":
        if (self.data_interval_start is None) is not (self.data_interval_end is None):
            raise ValueError("give data_interval_start and data_interval_end together, or neither")
        return self

    @property
    def run_id(self) -> str | None:
        """The id that was given, or the one that a given date makes."""
        date = self.logical_date or self.execution_date
        if self.dag_run_id is not None or date is None:
            return self.dag_run_id
        return f"{NAMED_BY_DATE}{date.isoformat()}"

    @property
    def payload(self) -> dict[str, object]:
        """The request: the note is its reason, unless `conf` has one."""
        return ({"reason": self.note} if self.note else {}) | (self.conf or {})


class StateBody(_Body):
    """What a run's state is set to: failed ends it; only Laurel itself lets one succeed or start over."""

    state: Literal["failed"] = Field(description="The state to set.")


_Key = Annotated[str, Field(min_length=1, max_length=250, description="Its key.")]
_Text = Annotated[str | None, Field(description="What it is for.")]


class VariableBody(_Body):
    """A variable."""

    key: _Key
    value: str = Field(description="Its value.")
    description: _Text = None


class VariableChange(_Body):
    """What to change of a variable; its key only repeats the path."""

    key: _Key | None = Field(None, description="The key of the path once more.")
    value: str | None = Field(None, description="Its value.")
    description: _Text = None


def read_as(kind: type[B], payload: Mapping[str, object]) -> B:
    """Read a body, or name all its faults. Raises Problem 400."""
    try:
        return kind.model_validate(dict(payload))
    except ValidationError as error:
        raise bad_request(read_faults(error)) from error
