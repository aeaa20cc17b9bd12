"""Whatever else stands in active_config.yaml, a promotion changes three numbers."""

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.values import VersionTriple
from service.adapters.files.active_config import read_active, with_defaults

keys = st.text(st.characters(categories=("L", "N", "P", "S", "Zs")), min_size=1, max_size=8)
extra = st.dictionaries(
    keys, st.one_of(st.integers(), st.text(max_size=9), st.lists(st.integers(), max_size=3)), max_size=4
)
numbers = st.integers(1, 1_000_000)
triples = st.builds(VersionTriple, split_version=numbers, feature_version=numbers, model_version=numbers)


@settings(deadline=None)
@given(before=extra, inside=extra, old=triples, new=triples, flow=st.booleans())
def test_any_file_around_the_numbers_is_kept(
    before: dict[str, object],
    inside: dict[str, object],
    old: VersionTriple,
    new: VersionTriple,
    *,
    flow: bool,
) -> None:
    """Whatever else a person or a tool writes into it."""
    content = {
        **before,
        "data_contract_version": 7,
        "training_defaults": {**inside, **old.model_dump()},
        "zz": before,
    }
    data = yaml.safe_dump(content, allow_unicode=True, default_flow_style=flow, sort_keys=False).encode()
    if b"&id" in data:  # PyYAML's anchors, which are refused
        return
    said = yaml.safe_load(data)  # not always what was written: PyYAML folds U+0085 to a space
    said["training_defaults"] |= new.model_dump()
    changed = edited(data, new)
    assert yaml.safe_load(changed) == said
    assert edited(changed, old) == data


def edited(data: bytes, triple: VersionTriple) -> bytes:
    read = read_active(data)
    assert not isinstance(read, list), read
    return with_defaults(data, read[1], triple)
