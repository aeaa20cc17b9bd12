"""The demo's stage: config and data of its own in a folder, and the two deliveries of sales."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from domain.resolved_config import FAMILIES
from service.adapters.files.active_config import FILE_NAME

EXAMPLE = Path(__file__).parents[3] / "config" / "example"
_SALES = EXAMPLE / "data" / "ames.parquet"
_PERIOD = "Year_Sold"
LAST_YEAR_OF_THE_FIRST_DELIVERY = 2008


@dataclass(frozen=True)
class Stage:
    """Where the demo's configuration and data are."""

    folder: Path

    @property
    def config_root(self) -> Path:
        """A copy of the example's configuration: the story changes it."""
        return self.folder / "config"

    @property
    def data_root(self) -> Path:
        """The data that the story grows."""
        return self.folder / "data"

    @property
    def master(self) -> Path:
        """The dataset that a data pipeline would append to."""
        return self.data_root / "processed" / "master.parquet"

    def set_up(self) -> None:
        """Copy the example's configuration; the data is still to be delivered. Empty folders may be there."""
        self.config_root.mkdir(parents=True, exist_ok=True)
        for family in FAMILIES:
            shutil.copytree(EXAMPLE / family, self.config_root / family)
        shutil.copyfile(EXAMPLE / FILE_NAME, self.config_root / FILE_NAME)
        self.master.parent.mkdir(parents=True, exist_ok=True)

    def deliver_first_sales(self) -> int:
        """Bring the sales up to 2008; return the rows."""
        return self._deliver(LAST_YEAR_OF_THE_FIRST_DELIVERY)

    def deliver_all_sales(self) -> int:
        """Bring all of them, as a pipeline that appends would; return the rows."""
        return self._deliver(None)

    def one_house(self) -> dict[str, object]:
        """A sale to ask predictions for; its price stands there too, and no server looks at it."""
        from service.adapters.polars.deliveries import first_row  # noqa: PLC0415 - slow to import

        return first_row(_SALES)

    def _deliver(self, last_year: int | None) -> int:
        from service.adapters.polars.deliveries import write_delivery  # noqa: PLC0415 - slow to import

        return write_delivery(_SALES, self.master, _PERIOD, last_year)
