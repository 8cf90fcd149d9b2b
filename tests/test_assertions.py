"""Every test asserts on every path: none passes because a branch was not taken or a loop found nothing."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
Function = ast.FunctionDef | ast.AsyncFunctionDef
KEEP_LENGTH = {"zip", "enumerate", "sorted", "reversed", "product", "map"}
LEAVES = (ast.Return, ast.Continue, ast.Break)


def call_name(node: ast.expr) -> str:
    """The last part of the name that is called: `raises` of `pytest.raises(...)`."""
    target = node.func if isinstance(node, ast.Call) else node
    return target.attr if isinstance(target, ast.Attribute) else getattr(target, "id", "")


class Reader:
    """Whether statements assert whichever way they run.

    Args:
        helpers: Functions of the tests by name: a call of one asserts where its body does.
    """

    def __init__(self, helpers: Mapping[str, Function]) -> None:
        self.helpers, self.known, self.filled = helpers, dict[str, bool](), set[str]()

    def asserts(self, body: Iterable[ast.stmt]) -> bool:
        """Whether one of the statements does, before any that may leave them."""
        for statement in body:
            if self.holds(statement):
                return True
            if isinstance(statement, ast.If) and not self.asserts_where_it_leaves(statement):
                return False
        return False

    def asserts_where_it_leaves(self, node: ast.If) -> bool:
        branches = [
            body for body in (node.body, node.orelse) if any(isinstance(x, LEAVES) for y in body for x in ast.walk(y))
        ]
        return all(map(self.asserts, branches))

    def holds(self, node: ast.stmt) -> bool:
        match node:
            case ast.Assert():
                return True
            case ast.If():
                return self.asserts(node.body) and self.asserts(node.orelse)
            case ast.For():
                return self.is_filled(node.iter) and self.asserts(node.body)
            case ast.While() | ast.FunctionDef() | ast.ClassDef():
                return False
            case ast.With():
                entered = {call_name(item.context_expr) for item in node.items}
                return bool({"raises", "warns"} & entered) or self.asserts(node.body)
            case ast.Try():
                ends = (node.body + node.orelse, *(handler.body for handler in node.handlers))
                return all(map(self.asserts, ends)) or self.asserts(node.finalbody)
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if self.is_filled(value):
                self.filled.add(name)
        return any(self.calls_assertion(part) for part in ast.walk(node) if isinstance(part, ast.Call))

    def is_filled(self, node: ast.expr) -> bool:
        """Whether a loop over this is seen to turn at least once: a literal, or a name for one."""
        match node:
            case ast.Tuple(elts=parts) | ast.List(elts=parts) | ast.Set(elts=parts) | ast.Dict(values=parts):
                return bool(parts)
            case ast.Constant(value=value):
                return bool(value)
            case ast.Name() | ast.Attribute():
                return call_name(node).isupper() or call_name(node) in self.filled
            case ast.Subscript(value=value):
                return call_name(value).isupper()
            case ast.BinOp(left=left, right=right):
                return self.is_filled(left) or self.is_filled(right)
            case ast.ListComp(generators=loops) | ast.DictComp(generators=loops):
                return all(self.is_filled(loop.iter) and not loop.ifs for loop in loops)
            case ast.Call(func=ast.Attribute(value=value, attr="items" | "values" | "keys")):
                return self.is_filled(value)
            case ast.Call(args=parts) if call_name(node) in KEEP_LENGTH:
                strict = any(word.arg == "strict" and word.value.value is True for word in node.keywords)
                return (any if strict else all)(self.is_filled(part) for part in parts)
            case ast.Call(args=[*_, count]) if call_name(node) in {"range", "linspace", "array_split"}:
                return self.is_filled(count)
        return False

    def calls_assertion(self, node: ast.Call) -> bool:
        name = call_name(node)
        if name.startswith("assert_") or name in {"fail", "raises", "warns"}:
            return True
        if name not in self.known:
            self.known[name] = False  # a function that calls itself asserts nothing by that
            helper = self.helpers.get(name)
            self.known[name] = helper is not None and self.asserts(helper.body)
        return self.known[name]


def is_fixture(node: Function) -> bool:
    return any(call_name(decorator) == "fixture" for decorator in node.decorator_list)


def functions(tree: ast.Module) -> dict[str, Function]:
    return {node.name: node for node in ast.walk(tree) if isinstance(node, Function)}


def silent_tests(tree: ast.Module, shared: Mapping[str, Function]) -> list[str]:
    """Tests of a file that have a path without an assertion."""
    own = functions(tree)
    helpers = {**shared, **{name: node for name, node in own.items() if not name.startswith("test_")}}
    tests = [node for name, node in own.items() if name.startswith("test_") and not is_fixture(node)]
    return [f"{node.name}:{node.lineno}" for node in tests if not Reader(helpers).asserts(node.body)]


def test_every_test_asserts_on_every_path():
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(TESTS.rglob("*.py"))}
    shared = {
        name: node
        for path, tree in trees.items()
        if not path.name.startswith("test_")
        for name, node in functions(tree).items()
    }
    found = {str(path.relative_to(TESTS)): silent_tests(tree, shared) for path, tree in trees.items()}
    assert len(found) > 300
    assert {path: names for path, names in found.items() if names} == {}


@pytest.mark.parametrize(
    ("body", "silent"),
    [
        ("assert x", False),
        ("x()", True),
        ("if x:\n    assert y", True),
        ("if x:\n    assert y\nelse:\n    assert z", False),
        ("for y in x:\n    assert y", True),
        ("for y in (1, 2):\n    assert y", False),
        ("for y in ():\n    assert y", True),
        ("x = [1]\nfor y in x:\n    assert y", False),
        ("for y in (1, 2):\n    if y:\n        continue\n    assert y", True),
        ("if x:\n    return\nassert x", True),
        ("if x:\n    assert y\n    return\nassert x", False),
        ("try:\n    x()\nexcept ValueError:\n    assert y", True),
        ("for y in x:\n    assert y\nassert x", False),
        ("with pytest.raises(ValueError):\n    x()", False),
        ("with x:\n    y()", True),
        ("helper(x)", False),
        ("hollow(x)", True),
        ("np.testing.assert_allclose(x, y)", False),
    ],
)
def test_a_path_without_an_assertion_is_seen(body, silent):
    text = f"def test_x():\n{textwrap.indent(body, '    ')}\n"
    text += "def helper(x):\n    assert x\ndef hollow(x):\n    hollow(x)\n"
    assert bool(silent_tests(ast.parse(text), {})) is silent
