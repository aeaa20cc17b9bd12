"""The settings of a group whose connections may be TLS; what they name is judged when a context is made."""

from pydantic import BaseModel, Field, ValidationInfo, field_validator

from config.addresses import Folder


class TlsSettings(BaseModel):
    """Whom the group's connections trust, and who they are."""

    ca_file: Folder | None = Field(
        default=None, description="further certificates (PEM) to trust with TLS, beyond the system's"
    )
    client_cert_file: Folder | None = Field(
        default=None, description="certificate (PEM) for a server that requires one"
    )
    client_key_file: Folder | None = Field(
        default=None, description="its private key (PEM, no passphrase), unless it is in the same file"
    )

    @field_validator("client_key_file")
    @classmethod
    def _key_of_a_certificate(cls, key: Folder | None, info: ValidationInfo) -> Folder | None:
        if key is not None and info.data.get("client_cert_file") is None:
            raise ValueError("is set without the CLIENT_CERT_FILE that it belongs to")
        return key
