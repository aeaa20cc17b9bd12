"""A number with its noun, for sentences."""

from typing import Final

_UNITS: Final = (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10))


def counted(number: int, one: str, several: str) -> str:
    """Put a number before the form that fits it: `1 row`, `2 rows`."""
    return f"{number} {one if number == 1 else several}"


def byte_count(number: int) -> str:
    """A size as settings have it, and in the unit that people read: `1048577 bytes (1.0 MiB)`."""
    exact = counted(number, "byte", "bytes")
    for unit, size in _UNITS:
        if number >= size:
            whole = number % size == 0
            return f"{exact} ({number // size if whole else f'{number / size:.1f}'} {unit})"
    return exact
