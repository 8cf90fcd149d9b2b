"""How the source is laid out: files, lines, largest folder and file, circles, names; exit 1 beyond the bounds.

python tools/house.py
"""

from __future__ import annotations

import ast
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[1] / "src"
BOUNDS = {
    "lines": 93_300,
    "files in the largest folder": 22,
    "lines of the largest file": 520,
    "lines of pipelines": 4_330,
    "circles of modules": 0,
    "circles of folders": 0,
    "median lines of a function": 7,
    "class names that stand twice": 0,
    "public functions without a docstring": 0,
}  # what stands today or a little more: lower one when the house gets tidier, never raise one


def measure(root: Path) -> dict[str, tuple[float, str]]:
    """Each figure, and where it is found.

    Args:
        root: The folder that holds the package.
    """
    paths = {_module(path, root): path for path in sorted(root.rglob("*.py"))}
    trees = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in paths.items()}
    lines = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in paths.items()}
    folders = Counter(paths[name].parent for name in paths)
    largest, (folder, files) = max(lines, key=lambda name: lines[name]), folders.most_common(1)[0]
    imports = {name: set(_imports(tree, paths)) - {name} for name, tree in trees.items()}
    rooms: dict[str, set[str]] = defaultdict(set)
    for name, targets in imports.items():
        for target in targets:
            mine, its = _siblings(name, target)
            if mine != its:
                rooms[mine].add(its)
    functions = [node for tree in trees.values() for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    classes = Counter(node.name for tree in trees.values() for node in tree.body if isinstance(node, ast.ClassDef))
    twice = sorted(name for name, count in classes.items() if count > 1 and not name.startswith("_"))
    bare = [
        f"{name}.{node.name}"
        for name, tree in trees.items()
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_") and not ast.get_docstring(node)
    ]
    module_circles, room_circles = _circles(imports), _circles(rooms)
    pipelines = sum(count for name, count in lines.items() if name.startswith("netlift.pipelines"))
    return {
        "files": (len(paths), ""),
        "lines": (sum(lines.values()), ""),
        "files in the largest folder": (files, str(folder.relative_to(root))),
        "lines of the largest file": (lines[largest], largest),
        "lines of pipelines": (pipelines, ""),
        "circles of modules": (len(module_circles), "; ".join(" ".join(each) for each in module_circles)),
        "circles of folders": (len(room_circles), "; ".join(" ".join(each) for each in room_circles)),
        "median lines of a function": (median(node.end_lineno - node.body[0].lineno + 1 for node in functions), ""),
        "class names that stand twice": (len(twice), ", ".join(twice)),
        "public functions without a docstring": (len(bare), ", ".join(bare)),
    }


def _module(path: Path, root: Path) -> str:
    return ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")


def _imports(tree: ast.Module, known: Mapping[str, Path]) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module in known:
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield full if full in known else node.module


def _siblings(name: str, target: str) -> tuple[str, str]:
    """The folders, side by side, that hold importer and imported; the importer twice where there are none."""
    mine, its = name.split("."), target.split(".")
    shared = next((k for k, (a, b) in enumerate(zip(mine, its, strict=False)) if a != b), 0)
    if min(len(mine), len(its)) < shared + 2:
        return name, name
    return ".".join(mine[: shared + 1]), ".".join(its[: shared + 1])


def _circles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Strongly connected parts of two and more, by reachability."""
    reach = {name: _reached(graph, name) for name in graph}
    found = {
        tuple(sorted(other for other in reach[name] if name in reach.get(other, ()))): None
        for name in graph
        if name in reach[name]
    }
    return [list(each) for each in found]


def _reached(graph: Mapping[str, set[str]], start: str) -> set[str]:
    seen: set[str] = set()
    queue = list(graph.get(start, ()))
    while queue:
        name = queue.pop()
        if name not in seen:
            seen.add(name)
            queue += graph.get(name, ())
    return seen


def main() -> int:
    """Print every figure; 1 where one is beyond its bound."""
    beyond = 0
    for name, (figure, where) in measure(ROOT).items():
        bound = BOUNDS.get(name)
        over = bound is not None and figure > bound
        beyond += over
        limit = "" if bound is None else f" of at most {bound:,}"
        print(f"{'OVER ' if over else ''}{name}: {figure:,.0f}{limit}{f' ({where})' if where else ''}")
    return int(beyond > 0)


if __name__ == "__main__":
    sys.exit(main())
