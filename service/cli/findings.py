"""What the doctor says of one thing that it looked at."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One line of the doctor: what was looked at, if it is well, and if not, what is wrong and the mend.

    One that `warns` is well, and yet there is something to mend.
    """

    what: str
    well: bool
    found: str
    mend: str = ""
    warns: bool = False
