"""What a registered version, or its logged model, says of its files: the names of tags, and their text.

What a signature is made over is one text for signer and verifier alike.
"""

import json
from collections.abc import Mapping
from typing import Final

from pydantic import TypeAdapter

from domain.errors import ModelUnusable
from domain.strict_json import parse_json
from domain.values import Sha256

SIGNATURE_TAG: Final = "laurel.signature"  # base64 of an Ed25519 signature
_PURPOSE: Final = "laurel model v1"  # a key that also signs other things signs no model by it


def signed_text(model_name: str, mlflow_run_id: str, digest: Sha256) -> bytes:
    """The bytes to sign: whose model it is, which MLflow run made it, and the digest that seals its manifest.

    A JSON list, so that no name can run over into the next field.
    """
    fields = [_PURPOSE, model_name, mlflow_run_id, digest]
    return json.dumps(fields, separators=(",", ":")).encode()


MANIFEST_TAG: Final = "laurel.manifest"  # JSON: relative path → sha256
DIGEST_TAG: Final = "laurel.model_digest"  # the digest that seals the manifest
GENERATION_TAG: Final = "laurel.generation"
LEDGER_TAG: Final = "laurel.ledger_id"  # of the registered model: whose it is
RUN_TAG: Final = "laurel.run_id"
FEATURES_TAG: Final = "feature_version"
# What holds for every version of the same files, from any registrar.
SHARED_TAGS: Final = (MANIFEST_TAG, DIGEST_TAG, SIGNATURE_TAG, RUN_TAG, FEATURES_TAG)

_MANIFEST: Final[TypeAdapter[dict[str, Sha256]]] = TypeAdapter(dict[str, Sha256])


def recorded_manifest(tags: Mapping[str, str]) -> dict[str, Sha256] | None:
    """The manifest that a version's tags record; None when they record none.

    Raises ModelUnusable `manifest_malformed`.
    """
    text = tags.get(MANIFEST_TAG)
    if text is None:
        return None
    try:
        return _MANIFEST.validate_python(parse_json(text))
    except ValueError as error:
        raise ModelUnusable(
            "manifest_malformed", "the version has a manifest that is not a map of paths to sha256 digests"
        ) from error


def candidate_tags(
    run_id: str, generation: int, manifest: Mapping[str, Sha256], digest: Sha256, feature_version: int
) -> dict[str, str]:
    """What a server needs to fetch a run's model and to trust what it fetched."""
    return {
        GENERATION_TAG: str(generation),
        RUN_TAG: run_id,
        **package_tags(manifest, digest),
        FEATURES_TAG: str(feature_version),
    }


def package_tags(manifest: Mapping[str, Sha256], digest: Sha256) -> dict[str, str]:
    """What files are held against when they are fetched."""
    return {
        MANIFEST_TAG: json.dumps(dict(manifest), sort_keys=True, separators=(",", ":")),
        DIGEST_TAG: digest,
    }
