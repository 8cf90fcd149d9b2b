"""Each refusal has the exit code that the command line promises (DESIGN.md §5)."""

from __future__ import annotations

import inspect

import pytest

from netlift import errors

CODES = {
    "NetliftError": 1,
    "ConfigError": 2,
    "UsageError": 2,
    "DataError": 3,
    "LeakageError": 3,
    "SchemaDriftError": 3,
    "HistoryTooShortError": 3,
    "GateRefusedError": 4,
    "NotRandomizedError": 4,
    "ModelIntegrityError": 4,
    "BusyError": 5,
    "ResourceError": 6,
}
FOUND = dict(inspect.getmembers(errors, inspect.isclass))


@pytest.mark.parametrize("name", sorted(FOUND))
def test_every_refusal_is_a_netlift_error_with_a_code_and_a_sentence(name):
    assert issubclass(FOUND[name], errors.NetliftError)
    assert FOUND[name].exit_code in range(1, 7)
    assert FOUND[name].__doc__.endswith(".")


@pytest.mark.parametrize(("name", "code"), CODES.items())
def test_exit_codes_are_those_of_the_design(name, code):
    assert FOUND[name]("found, needed, to do").exit_code == code
    assert str(FOUND[name]("found, needed, to do")) == "found, needed, to do"
