"""The boosters of a stored model compiled, for many rows: the same scores to the last bit, in a fraction of the time.

An expression may ask one booster several times, with other constants behind the features: an S-learner once per arm.
All of them are answered in one pass, in which the customers' own splits are asked once.

What is not worth compiling or does not fit is left to LightGBM, and `routes` says which and why. Trees that do not fit
are also named on the log, once a process, which terminals and servers show: the numbers are the same, the wait is not.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, partial
from itertools import pairwise
from typing import Any

import numpy as np

from netlift.estimators.forest_layout import Forest, lay_out
from netlift.estimators.forest_text import UnfitForestError, read_forest
from netlift.estimators.parallel import run_side_by_side

PAYS_FROM = 8_000_000  # rows times trees: LightGBM takes as long for them as it takes to load numba and the kernel
BLOCK = 1 << 13
COMPILED = "compiled"
FEW_ROWS = "booster: too few rows for compiling to pay"
Node = Mapping[str, Any]
Family = tuple[str, str]  # file of a booster, and its extra columns


class CompiledBooster:
    """One booster, for rows of float32.

    Args:
        text: LightGBM's text.
        constants: Values of the last columns, shape (lines, last columns).

    Raises:
        UnfitForestError: The trees do not fit; the message says why.
    """

    def __init__(self, text: str, constants: np.ndarray) -> None:
        trees = read_forest(text)
        self.columns = trees.features - constants.shape[1]
        self._shape = len(constants), trees.scores
        self._forest: Forest = lay_out(trees, constants.astype(np.float32))

    def score(self, X: np.ndarray, extra: Sequence[np.ndarray] = (), *, threads: int = 1) -> np.ndarray:
        """Raw scores.

        Args:
            X: Features, float32, shape (n, k).
            extra: Columns behind them, each of shape (n,).
            threads: Rows are divided among so many.

        Returns:
            Shape (lines, n), or (lines, n, scores) where trees belong to several scores.
        """
        found = np.empty((self._shape[0], len(X), self._shape[1]))
        bounds = np.linspace(0, len(X), threads + 1).astype(np.int64).tolist()
        jobs = [partial(self._score_span, X, extra, found, *span) for span in pairwise(bounds)]
        run_side_by_side(jobs, threads=threads)
        return found[:, :, 0] if self._shape[1] == 1 else found

    def _score_span(self, X: np.ndarray, extra: Sequence[np.ndarray], found: np.ndarray, start: int, end: int) -> None:
        from netlift.estimators.forest_kernel import score_rows

        for first in range(start, end, BLOCK):
            rows = slice(first, min(first + BLOCK, end))
            columns = np.empty((self.columns, rows.stop - first), dtype=np.float32)
            columns[: X.shape[1]] = X[rows].T
            for i, values in enumerate(extra, start=X.shape[1]):
                columns[i] = values[rows]
            scores = np.empty((*self._shape, rows.stop - first))
            score_rows(self._forest, columns, scores)
            found[:, rows] = scores.transpose(0, 2, 1)


class CompiledForest:
    """The boosters of a stored model. Its interface is called by the code of registered models: keep it as it is.

    Args:
        spec: `model.json`.
        texts: LightGBM's text of each booster.
        threads: Rows are divided among so many.

    Attributes:
        routes: How each booster was asked last, by file: `COMPILED`, or "booster: " and why.
    """

    def __init__(self, spec: Any, texts: Mapping[str, str], *, threads: int) -> None:
        self._texts = texts
        self._threads = threads
        self._lines: dict[Family, list[list[float]]] = {}
        for node in _booster_nodes(spec):
            lines = self._lines.setdefault(_family(node), [])
            if _constants(node) not in lines:
                lines.append(_constants(node))
        self._work = sum(texts[file].count("\nTree=") * len(lines) for (file, _), lines in self._lines.items())
        self._boosters: dict[Family, CompiledBooster] = {}
        self._unfit: dict[str, str] = {}
        self.routes: dict[str, str] = dict.fromkeys(sorted(texts), FEW_ROWS)

    def expect(self, rows: int) -> None:
        """Compile now if so many rows pay for it."""
        if rows * self._work < PAYS_FROM or self._boosters or self._unfit:
            return
        for family, lines in self._lines.items():
            constants = np.array(lines).reshape(len(lines), -1)
            try:
                self._boosters[family] = CompiledBooster(self._texts[family[0]], constants)
            except UnfitForestError as error:
                self._unfit[family[0]] = f"booster: {error}"
                _say_unfit(family[0], str(error))

    def score(
        self, node: Node, X: np.ndarray, extra: Sequence[np.ndarray], known: dict[str, np.ndarray]
    ) -> np.ndarray | None:
        """Raw scores that an expression asks a booster for; None where LightGBM has to be asked.

        Args:
            node: The expression.
            X: Features, shape (n, k).
            extra: Its extra columns, each float32, shape (n,).
            known: What was found for these rows; scores by other constants are added to it.
        """
        family, file, columns = _family(node), node["file"], X.shape[1] + len(extra)
        booster = self._boosters.get(family)
        if booster is None:
            self.routes[file] = self._unfit.get(file, FEW_ROWS)
            return None
        if X.dtype != np.float32 or columns != booster.columns:
            self.routes[file] = f"booster: {columns} columns of {X.dtype}, not {booster.columns} of float32"
            return None
        self.routes[file] = COMPILED
        name = json.dumps([*family, _constants(node)])
        if name not in known:
            names = (json.dumps([*family, line]) for line in self._lines[family])
            known.update(zip(names, booster.score(X, extra, threads=self._threads), strict=True))
        return known[name]


@cache
def _say_unfit(file: str, why: str) -> None:
    """Once for a file and a reason, however many models and threads ask."""
    logging.getLogger("netlift").warning(
        "%s is not compiled, LightGBM is asked instead and takes longer: %s", file, why
    )


def _booster_nodes(node: Any) -> Iterator[Node]:
    """Every expression that asks a booster, those inside others too."""
    if isinstance(node, Mapping):
        if "op" in node and "file" in node:
            yield node
        for value in node.values():
            yield from _booster_nodes(value)
    elif isinstance(node, list):
        for value in node:
            yield from _booster_nodes(value)


def _family(node: Node) -> Family:
    return node["file"], json.dumps(node.get("extra", []), sort_keys=True)


def _constants(node: Node) -> list[float]:
    return [float(value) for value in node.get("append", [])]
