"""What a loading child hands over is taken by exact names: no library's functions can be reached by it."""

import pickle
from typing import Any

import numpy as np
import pytest

from domain.errors import ModelUnusable
from service.processes.wire import NotPlain, pack, unpack_plain
from service.serving.loading_child import admitted, handed_over


class Calls:
    """Becomes a call of what it names when it is unpickled."""

    def __init__(self, module: str, name: str, *given: Any) -> None:
        self._named = (module, name)
        self._given = given

    def pickled(self) -> bytes:
        module, name = self._named
        call = b"c" + module.encode() + b"\n" + name.encode() + b"\n"
        return b"\x80\x04" + call + pickle.dumps(self._given, protocol=4)[2:-1] + b"R."


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("numpy.f2py.crackfortran", "myeval"),
        ("numpy.testing._private.utils", "runstring"),
        ("numpy", "load"),
        ("numpy", "fromfile"),
        ("numpy.lib._npyio_impl", "load"),
        ("numpy.ctypeslib", "load_library"),
        ("scipy.io", "loadmat"),
        ("sklearn.utils", "_joblib.joblib.load"),
        ("sklearn.tree._tree", "__builtins__"),
        ("sklearn.externals", "joblib"),
        ("lightgbm.basic", "_load_lib"),
        ("xgboost.core", "ctypes"),
        ("builtins", "eval"),
        ("builtins", "getattr"),
        ("collections", "namedtuple"),
        ("os", "system"),
        ("service.adapters.sklearn.row_preparation", "partial"),
    ],
)
def test_a_name_that_is_no_part_of_our_models_is_refused(module: str, name: str) -> None:
    with pytest.raises(ModelUnusable) as refusal:
        handed_over(Calls(module, name, "1").pickled(), ())
    assert refusal.value.reason == "untrusted_type"
    assert f"{module}.{name}" in refusal.value.message


def test_an_operators_type_is_taken_by_its_whole_name_alone() -> None:
    built = Calls("fractions", "Fraction", 1, 2).pickled()
    for trusted in ((), ("fractions",), ("fractions.Frac",)):
        with pytest.raises(ModelUnusable):
            handed_over(built, trusted)


def test_plain_parts_are_read_and_no_admitted_name_leads_into_another() -> None:
    array = np.arange(3.0)
    _, read = handed_over(pickle.dumps((None, array), protocol=5), ())
    assert isinstance(read, np.ndarray)
    assert read.tolist() == array.tolist()
    assert not any("." in name for _, name in admitted())


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("domain.package_tags", "json"),
        ("domain.datasets", "seal"),
        ("domain.wording", "re"),
        ("domain", "errors"),
    ],
)
def test_a_child_reaches_nothing_that_the_domain_has_imported(module: str, name: str) -> None:
    with pytest.raises(NotPlain):
        unpack_plain(Calls(module, name, "1").pickled())


def test_the_domains_own_errors_and_values_still_come_back() -> None:
    error = unpack_plain(pack(ModelUnusable("unloadable_model", "it is broken", row=1)))
    assert (type(error), error.reason, error.facts) == (ModelUnusable, "unloadable_model", {"row": 1})
