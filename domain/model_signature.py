"""What the signature of a registered version is made over: one text for signer and verifier alike."""

import json
from typing import Final

from domain.values import Sha256

SIGNATURE_TAG: Final = "laurel.signature"  # base64 of an Ed25519 signature
_PURPOSE: Final = "laurel model v1"  # a key that also signs other things signs no model by it


def signed_text(model_name: str, mlflow_run_id: str, digest: Sha256) -> bytes:
    """The bytes to sign: whose model it is, which MLflow run made it, and the digest that seals its manifest.

    A JSON list, so that no name can run over into the next field.
    """
    fields = [_PURPOSE, model_name, mlflow_run_id, digest]
    return json.dumps(fields, separators=(",", ":")).encode()
