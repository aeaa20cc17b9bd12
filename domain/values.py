"""What every value and document of the domain has in common."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
ConfigVersion = Annotated[int, Field(ge=1, le=1_000_000)]


class Value(BaseModel):
    """A frozen value: compared by content, and never holding NaN or infinity.

    Unknown fields are refused: a typo in something a person wrote is a fault, not a wish.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True, protected_namespaces=()
    )
