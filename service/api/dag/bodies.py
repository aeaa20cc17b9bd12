"""The bodies that the DAG API reads."""

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from service.api.asking import ID_PATTERN, LONGEST_ID
from service.api.dag.dates import in_utc, iso_text
from service.api.dag.notes import LONGEST
from service.api.dag.refusals import bad_request, read_faults
from service.api.dag.views import NAMED_BY_DATE

B = TypeVar("B", bound=BaseModel)


def _whole(conf: dict[str, Any] | None) -> dict[str, Any] | None:
    """A generated client makes 3.0 of the 3 that it reads in a run's `conf`, and sends that again."""
    return conf and {
        name: int(value) if isinstance(value, float) and value.is_integer() else value
        for name, value in conf.items()
    }


_Conf = Annotated[dict[str, Any] | None, AfterValidator(_whole)]
_Date = Annotated[AwareDatetime | None, BeforeValidator(iso_text), AfterValidator(in_utc)]


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class TriggerBody(_Body):
    """What triggers a run. All of it may be absent or null; the interval chooses no data and is not kept."""

    conf: _Conf = None
    dag_run_id: str | None = Field(default=None, pattern=ID_PATTERN, max_length=LONGEST_ID)
    logical_date: _Date = None
    execution_date: _Date = None
    data_interval_start: _Date = None
    data_interval_end: _Date = None
    note: str | None = Field(default=None, max_length=LONGEST)

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
    def payload(self) -> dict[str, Any]:
        """The request: the note is its reason, unless `conf` has one."""
        return ({"reason": self.note} if self.note else {}) | (self.conf or {})


_Key = Annotated[str, Field(min_length=1, max_length=250)]


class VariableBody(_Body):
    """A variable."""

    key: _Key
    value: str
    description: str | None = None


class VariableChange(_Body):
    """What to change of a variable; its key only repeats the path."""

    key: _Key | None = None
    value: str | None = None
    description: str | None = None


def read_as(kind: type[B], payload: Mapping[str, Any]) -> B:
    """Read a body, or name all its faults. Raises Problem 400."""
    try:
        return kind.model_validate(dict(payload))
    except ValidationError as error:
        raise bad_request(read_faults(error)) from error
