"""The names that a notebook reaches: each has an example, and each example calls what is there."""

from __future__ import annotations

import inspect
import subprocess
import sys
import textwrap
from unittest.mock import MagicMock

import netlift


def read_examples() -> str:
    lines = netlift.__doc__.partition("Examples:")[0].splitlines()
    return textwrap.dedent("\n".join(line for line in lines if line.startswith("    ")))


class Face:
    """netlift whose functions refuse what they do not take, and do nothing else."""

    def __init__(self) -> None:
        self.called: set[str] = set()

    def __getattr__(self, name):
        real = getattr(netlift, name)
        if isinstance(real, type):
            return real

        def call(*args, **more):
            inspect.signature(real).bind(*args, **more)
            self.called.add(name)
            return MagicMock()

        return call


def test_every_function_has_an_example_that_calls_it_as_it_is():
    face = Face()
    exec(compile(read_examples().replace("import netlift\n", "", 1), "examples", "exec"), {"netlift": face})
    functions = {name for name in netlift.__all__ if not isinstance(getattr(netlift, name), type)}
    assert face.called == functions
    assert all(name in netlift.__doc__ for name in netlift.__all__)


def test_dir_lists_the_names_and_none_is_hidden_by_a_module():
    assert 15 <= len(netlift.__all__) <= 32
    assert set(dir(netlift)) == {*netlift.__all__, "__version__"} and netlift.__version__
    code = (
        "import pkgutil, netlift; modules = {m.name for m in pkgutil.iter_modules(netlift.__path__)}; "
        "import sys; print(sorted(modules & set(netlift.__all__)), 'pandas' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[] False", "and importing netlift imports nothing heavy"
