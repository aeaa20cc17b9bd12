"""What each field of an event says, for the schemas: by its name, or by its part and name."""

from collections.abc import Iterator
from typing import Any, Final

DESCRIPTIONS: Final = {
    "actor": "Which worker or person recorded it.",
    "address": "The replica's IP address; null where its name has none.",
    "attempts": "How often that step was started.",
    "candidate": "The candidate's score on the reference; null where no run decided.",
    "cause": "Why the champion changed.",
    "champion": "The champion's score on the same bytes, now; null without one, or where it was not judged.",
    "champion_generation": "The champion's generation; null without a champion.",
    "champion_problem": "Why the champion could not be judged; else null.",
    "champion_trained_rows": "How many reference rows the champion was trained on; null if unknown.",
    "champion_version": "The champion's registered version; null without a champion.",
    "checks": "Every check up to the first that failed, in order.",
    "confirmed_generation": "The generation that the replica reports; null if it knows none.",
    "decision": "DECLINE: judged, and not better. INCONCLUSIVE: it could not be judged; the champion stays.",
    "detail": "A sentence for a person.",
    "duration_seconds": "Seconds that the split took.",
    "entry_hash": "sha256 of the ledger's entry: another hash at the same generation is another history.",
    "evaluation_seconds": "Seconds that scoring took.",
    "facts": "What the sentence is about, as JSON; omitted if the event would be too large.",
    "fates": "What became of each row of the master; the numbers add up to `master.rows`.",
    "faults": "All faults at once, each with what is allowed.",
    "generation": "Counts the champions of this model from 1; drop one older than the latest you know.",
    "ledger_id": "Which ledger holds the generation; two ids for one model are two deployments.",
    "listener": "Which reload listener reports it.",
    "master": "The master dataset as it was read.",
    "message": "A sentence that says what is wrong and what to do.",
    "metric": "The metric that decides.",
    "mlflow_run_id": "The run's id in MLflow; null where there is none.",
    "model_digest": "The digest that seals the model's files; null if the version does not have it.",
    "model_name": "The registered model; also the record's key.",
    "model_uri": "`models:/<name>/<version>`, as MLflow's clients load it.",
    "optional_tests": "The same for each moving test period, by its name.",
    "previous_generation": "The generation of the ledger's entry before; null for the first.",
    "previous_version": "The version of the ledger's entry before; null for the first.",
    "promoted_at": "When the ledger's entry was made: ISO 8601 with its offset.",
    "reason": "A code for machines; docs/operations.md says what to do about each.",
    "reasons": "Why, in sentences for a person.",
    "reference": "The fixed test rows on which candidate and champion are judged.",
    "reference_created": "True if this run made the reference; false if it existed already.",
    "reference_digest": "sha256 of the file on which both were scored.",
    "replica": "The replica's name: its url, and its address where the url stands for several.",
    "request": "The payload as it came.",
    "run_id": "Laurel's id of the run; null where no run decided.",
    "seconds_since_promotion": "Seconds from the promotion to this; null if its time is not known.",
    "served_generation": "The generation that the replica serves; null if it does not report it.",
    "served_version": "The version that the replica serves; null if it does not report it.",
    "state": "The run's last state.",
    "step": "The step that failed.",
    "train": "The rows that are trained on.",
    "triple": "The resolved versions of split, features and model; null if the run did not get that far.",
    "training_seconds": "Seconds that the fit took.",
    "url": "The configured address of the inference server.",
    "version": "The model's version in MLflow's registry.",
    "versions": "The same as `triple`.",
    "warnings": "What a person should know; the run goes on.",
    "Check.detail": "The numbers that were compared, in a sentence.",
    "Check.name": "Which check it is.",
    "Check.passed": "Whether it holds.",
    "DatasetPart.dvc_hash": "DVC's hash, with which the bytes can be pulled again; null before it is known.",
    "DatasetPart.path": "The file, below the worker's DATA_ROOT.",
    "DatasetPart.rows": "How many rows it holds.",
    "DatasetPart.sha256": "sha256 of its bytes.",
    "Fault.allowed": "What is allowed there; null where there is no list.",
    "Fault.code": "A code for machines.",
    "Fault.field": "The field that is wrong.",
    "Fault.file": "The YAML file that is wrong; null if it is the request.",
    "Fault.line": "The line in that file.",
    "Fault.message": "What is wrong.",
    "RowFates.reference": "Rows of the reference.",
    "RowFates.tests": "Rows that are only in optional tests.",
    "RowFates.train": "Rows that train.",
    "RowFates.unused": "Rows that are not used, by reason.",
    "RunWarning.code": "A code for machines; docs/operations.md explains each.",
    "RunWarning.facts": "What the sentence is about, as JSON.",
    "RunWarning.message": "A sentence for a person.",
    "Score.dataset_digest": "sha256 of the bytes that were scored.",
    "Score.metrics": "rmsle, mae and r2; a metric that is NaN or infinite is absent.",
    "Score.rows": "How many rows were scored.",
    "VersionTriple.feature_version": "`features/vN.yaml`",
    "VersionTriple.model_version": "`models/vN.yaml`",
    "VersionTriple.split_version": "`splits/vN.yaml`",
}


def describe(schema: dict[str, Any]) -> dict[str, Any]:
    """Say of each field what it means. Raises KeyError for one that is not described."""
    for part, name, field in fields_of(schema):
        field["description"] = DESCRIPTIONS.get(f"{part}.{name}") or DESCRIPTIONS[name]
    return schema


def fields_of(schema: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Each field with the part that it stands in; the event itself is the part without a name."""
    for part, content in (("", schema), *schema.get("$defs", {}).items()):
        for name, field in content.get("properties", {}).items():
            yield part, name, field
