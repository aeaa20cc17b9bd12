"""The few settings of `laurel config check`, which runs where no server is."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from config.addresses import Folder
from config.setting_groups import GateSettings
from config.settings import Group, Settings


class LinterSettings(BaseSettings):
    """Where the files are, and by what a model will be judged; nothing else can stop a check."""

    model_config = SettingsConfigDict(**Settings.model_config)

    config_root: Folder | None = Field(
        default=None, description=Settings.model_fields["config_root"].description
    )
    gate: Group[GateSettings] = GateSettings()
