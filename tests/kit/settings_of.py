"""Settings as a role finds them in an environment, without the environment of this process."""

from collections.abc import Mapping
from typing import Any

from config.settings import Settings


def settings_of(environment: Mapping[str, str]) -> Settings:
    """Read them; groups are given by their environment names."""
    values: dict[str, Any] = {}
    for name, text in environment.items():
        group, _, member = name.lower().partition("__")
        if member:
            values.setdefault(group, {})[member] = text
        else:
            values[group] = text
    return Settings(_env_file=None, **values)
