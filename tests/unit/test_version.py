"""One version: what is installed, the images' tags and the changelog agree."""

import re
import tomllib
from importlib.metadata import version

from tests.kit.alert_rules import ROOT

VERSION: str = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def test_a_tree_after_a_release_says_that_it_is_the_next_ones_development() -> None:
    """Else nobody could tell it, or what it made, from what was released."""
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    released = re.findall(r"^## (\d+)\.(\d+)\.(\d+)", changelog, re.MULTILINE)
    unreleased = changelog.partition("## [Unreleased]\n")[2].partition("\n## ")[0]
    release, _, development = VERSION.partition(".dev")
    numbers = tuple(map(int, release.split(".")))
    newest = max(tuple(map(int, numbers)) for numbers in released)
    if development:
        assert numbers > newest
        assert f"It becomes {release}: " in unreleased
        assert f"`{VERSION}`" in unreleased
    else:
        assert (numbers, unreleased.strip()) == (newest, "")


def test_what_is_installed_here_has_the_version_of_the_tree() -> None:
    assert version("laurel-lifecycle") == VERSION, "install it again, as `make lint` does"


def test_images_bear_the_version() -> None:
    compose = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    assert set(re.findall(r":-laurel(?:-inference)?:([^}]+)}", compose)) == {VERSION}
