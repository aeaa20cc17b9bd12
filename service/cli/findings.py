"""What the doctor says of one thing that it looked at."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One line of the doctor: what was looked at, if it is well, and if not, what is wrong and the mend."""

    what: str
    well: bool
    found: str
    mend: str = ""
