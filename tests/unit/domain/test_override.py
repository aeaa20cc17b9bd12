"""What is kept of a move of the alias by hand: what was seen, bounded, and nothing of Laurel's own."""

from domain.models import OpenedRun, RecordedRun, RegisteredVersion
from domain.override import seen_of_override
from tests.kit.builders import an_entry

HEAD = an_entry(None, 4)
RUN = RecordedRun(
    opened=OpenedRun(mlflow_run_id="m-7", experiment_id="1", artifact_uri="file:///x"),
    params={},
    tags={"mlflow.user": "ada", "mlflow.runName": "try\x1b[31m", "mlflow.source.name": "notebook"},
)


def version(**facts: object) -> RegisteredVersion:
    plain = {"version": 7, "source": "models:/m-7", "mlflow_run_id": "m-7", "tags": {}}
    return RegisteredVersion.model_validate({**plain, **facts})


def test_it_says_who_was_champion_before_and_what_mlflow_tells() -> None:
    seen = seen_of_override(HEAD, version(registered_by="bob", tags={"approved": "yes"}), RUN)

    assert seen == (
        "the alias was pointed at version 7 by hand",
        "before, the champion was version 4 (generation 1)",
        "version 7 was registered by bob",
        "its tags: approved=yes",
        "its MLflow run is m-7, of the user ada, named try [31m, made by notebook",
    )


def test_what_mlflow_does_not_tell_is_not_invented() -> None:
    assert seen_of_override(HEAD, version(mlflow_run_id=None), None)[2:] == ("it names no MLflow run",)
    assert seen_of_override(HEAD, version(), None)[2:] == (
        "its MLflow run is m-7, which MLflow does not have",
    )


def test_however_much_the_tags_say_an_entry_stays_small() -> None:
    tags = {f"tag {number} {'n' * 500}": "v" * 5000 for number in range(500)} | {"laurel.manifest": "ours"}
    seen = seen_of_override(HEAD, version(registered_by="b" * 9000, tags=tags), RUN)

    assert sum(map(len, seen)) < 1500
    assert "and 495 more" in " ".join(seen)
    assert "laurel.manifest" not in " ".join(seen)
