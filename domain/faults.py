"""A fault in something that a person or another service wrote: what, where, and what is allowed."""

from domain.values import Value


class Fault(Value):
    """One thing that is wrong.

    `code` is from a closed vocabulary (bad_version, unknown_version, unknown_field, bad_config,
    config_changed, column_missing …); `field` names the request field or the dotted place in a file; `file`
    and `line` are set when it stands in one.
    """

    code: str
    field: str
    message: str
    allowed: str | None = None
    file: str | None = None
    line: int | None = None
