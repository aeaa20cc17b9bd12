"""Publish the parts of a split: `service.adapters.files.split_parts` as a job."""

from service.adapters.files import split_parts
from service.lifecycle.steps.jobs import PublishJob


def publish_split(job: PublishJob) -> None:
    """Copy the parts to `splits/vN`, each file whole."""
    split_parts.publish_split(job.parts, job.folder)
