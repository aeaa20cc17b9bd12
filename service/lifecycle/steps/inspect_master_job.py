"""What the master holds, from its footer: columns, types, rows."""

from domain.job_results import MasterShape
from service.adapters.polars.inspection import inspect
from service.lifecycle.steps.jobs import InspectJob


def inspect_master(job: InspectJob) -> MasterShape:
    """Read the footer. Raises NeverRetry `unreadable_dataset`, TryLater `file_error`."""
    found = inspect(job.master, job.limits)
    return MasterShape(columns=dict(found.columns), rows=found.rows, bytes=found.bytes)
