"""How large a dataset may be before it is refused, and how much of one is held in memory."""

from typing import Final

from pydantic import Field

from domain.values import Value


class DatasetLimits(Value):
    """Bounds that are looked at before anything is decoded.

    A parquet file's own size says little: 1.3 MB can decode to 10 GB. Rows and columns do say how large it
    becomes. Reading in memory ends and streaming begins above `in_memory_cells` (rows x columns) or, for the
    sake of long texts, above `in_memory_bytes` of file.
    """

    max_bytes: int = Field(default=64 << 30, gt=0)
    max_footer_bytes: int = Field(default=32 << 20, gt=0)
    max_columns: int = Field(default=5_000, gt=0)
    max_rows: int = Field(default=500_000_000, gt=0)
    in_memory_cells: int = Field(default=16_000_000, ge=0)
    in_memory_bytes: int = Field(default=64 << 20, ge=0)


DEFAULT_LIMITS: Final = DatasetLimits()
