"""`python -m service.runtime.component_list`: what is installed here, as a CycloneDX document (an SBOM)."""

import json
import re
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions, version
from typing import Any, Final

_NAME: Final = "laurel-lifecycle"
_LONGEST_LICENCE: Final = 100  # some packages have the whole text there


def component_list() -> dict[str, Any]:
    """CycloneDX 1.6: every distribution of this environment once, sorted by name."""
    found = {one["bom-ref"]: one for one in map(_component, distributions()) if one["name"] != _NAME}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "application", "name": _NAME, "version": version(_NAME)}},
        "components": [found[name] for name in sorted(found)],
    }


def _component(distribution: Distribution) -> dict[str, Any]:
    name = re.sub(r"[-_.]+", "-", distribution.metadata["Name"]).lower()
    address = f"pkg:pypi/{name}@{distribution.version}"
    return {
        "type": "library",
        "bom-ref": address,
        "name": name,
        "version": distribution.version,
        "purl": address,
        "licenses": [*_licences(distribution)],
    }


def _licences(distribution: Distribution) -> Iterator[dict[str, Any]]:
    metadata = distribution.metadata
    if "License-Expression" in metadata:
        yield {"expression": metadata["License-Expression"]}
        return
    classified = (one for one in metadata.get_all("Classifier") or () if one.startswith("License ::"))
    names = [one.rpartition(" :: ")[2] for one in classified]
    said = metadata["License"] if "License" in metadata else ""  # noqa: SIM401 - it has no `get`
    for name in names or [said.partition("\n")[0]]:
        if name:
            yield {"license": {"name": name[:_LONGEST_LICENCE]}}


if __name__ == "__main__":
    json.dump(component_list(), sys.stdout, indent=2)
