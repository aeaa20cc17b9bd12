"""What the holder of a credential may do beyond reading."""

from typing import Final, Literal

Role = Literal["ask", "operate"]
ASK: Final[Role] = "ask"  # for trainings
OPERATE: Final[Role] = "operate"  # change a run, or production
DEFAULT: Final[tuple[Role, ...]] = (ASK,)
ROLES: Final[tuple[Role, ...]] = (ASK, OPERATE)
