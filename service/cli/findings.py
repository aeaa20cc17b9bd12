"""What the doctor says of one thing that it looked at."""

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Finding:
    """One line of the doctor: what was looked at, whether it is ok, what was found, and how to fix it.

    One that `warns` is ok, and yet there is something to fix.
    """

    what: str
    ok: bool
    found: str
    fix: str = ""
    warns: bool = False

    def as_json(self) -> dict[str, str | bool]:
        """As `laurel doctor --json` prints it; `well` and `mend` are the older names of `ok` and `fix`."""
        return {**asdict(self), "well": self.ok, "mend": self.fix}
