"""Writes `docs/json/*.json`, the JSON Schema of each common form, from the code.

Run it with `python -m tests.tools.json_forms`; a test fails when the folder and the code differ.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel

from domain.convergence import ReplicaForm
from domain.events import Generation
from domain.history import ReignForm
from domain.model_comparison import ModelComparisonForm
from domain.run_form import RunForm
from domain.story import StoryForm
from tests.tools.event_descriptions import DESCRIPTIONS, fields_of
from tests.tools.event_schemas import DIALECT, rendered

FOLDER: Final = Path(__file__).parents[2] / "docs" / "json"
FORMS: Final[Mapping[str, type[BaseModel]]] = {
    "run": RunForm,
    "generation": Generation,
    "replica": ReplicaForm,
    "reign": ReignForm,
    "explanation": StoryForm,
    "comparison": ModelComparisonForm,
}


def schemas() -> dict[str, dict[str, Any]]:
    """Each form's name and schema."""
    return {name: _schema(name, form) for name, form in FORMS.items()}


def _schema(name: str, form: type[BaseModel]) -> dict[str, Any]:
    """Every field is always there, and more may stand beside it."""
    schema = form.model_json_schema(mode="serialization")
    for part, field_name, field in fields_of(schema):
        if "description" not in field:
            own = f"{part or form.__name__}.{field_name}"
            field["description"] = DESCRIPTIONS.get(own) or DESCRIPTIONS[field_name]
    for part in (schema, *schema.get("$defs", {}).values()):
        part.pop("additionalProperties", None)
    about = {"$schema": DIALECT, "$id": f"urn:laurel:json:{name}", "title": name}
    return schema | about | {"required": sorted(form.model_fields)}


def main() -> None:
    """Write every file."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, schema in schemas().items():
        (FOLDER / f"{name}.json").write_text(rendered(schema), encoding="utf-8")


if __name__ == "__main__":
    main()
