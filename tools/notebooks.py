"""Pages of the notebooks: each percent script of notebooks/ run cell by cell, with prose, code and output.

python tools/notebooks.py
"""

from __future__ import annotations

import ast
import io
import os
import re
from contextlib import redirect_stdout
from pathlib import Path

ROOT = Path(__file__).parents[1]
CELL = re.compile(r"^# %%(.*)$", re.MULTILINE)


def render(script: Path) -> tuple[str, dict]:
    """The page of a notebook, and the names that it leaves behind.

    Args:
        script: A percent script.
    """
    _, *parts = CELL.split(script.read_text(encoding="utf-8"))
    names: dict = {"__name__": script.stem}
    page = []
    for kind, body in zip(parts[::2], parts[1::2], strict=True):
        if "[markdown]" in kind:
            page.append(re.sub(r"^# ?", "", body.strip(), flags=re.MULTILINE))
            continue
        page.append(f"```python\n{body.strip()}\n```")
        if shown := run(body, names):
            page.append(f"```text\n{shown}\n```")
    return "\n\n".join(page) + "\n", names


def run(code: str, names: dict) -> str:
    """What a cell prints, and its last expression where that is something, as a notebook shows them."""
    tree = ast.parse(code)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    printed = io.StringIO()
    with redirect_stdout(printed):
        exec(compile(tree, "cell", "exec"), names)
        value = eval(compile(ast.Expression(last.value), "cell", "eval"), names) if last else None
        if value is not None:
            print(value)
    return printed.getvalue().rstrip()


def without_output(page: str) -> str:
    """A page without what its cells print, which may differ in a last digit elsewhere."""
    return re.sub(r"```text\n.*?\n```\n*", "", page, flags=re.DOTALL)


if __name__ == "__main__":
    os.chdir(ROOT)
    for script in sorted((ROOT / "notebooks").glob("*.py")):
        (ROOT / f"docs/notebooks/{script.stem}.md").write_text(render(script)[0], encoding="utf-8")
        print(f"docs/notebooks/{script.stem}.md")
