"""Columns of a user's frame or array as the feature matrix of the estimators.

pandas, anything with Arrow's C stream (polars, pyarrow, DuckDB) and two-dimensional arrays are read. Numbers stay
numbers and a missing one stays missing; text and categories become codes, and a value of fewer than `LEAST_CUSTOMERS`
rows, or one that training never saw, is "other", as in the features of the verbs.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from netlift.errors import DataError
from netlift.estimators.stored import encode_categories
from netlift.features.matrix import Feature
from netlift.features.vocabulary import LEAST_CUSTOMERS, OTHER


class FrameError(DataError, ValueError):
    """A frame or an array that cannot be used; also the ValueError that scikit-learn's conventions ask for."""


def read_frame(table: Any, name: str = "X") -> pd.DataFrame:
    """A table as a pandas frame with one column a name.

    Args:
        table: pandas, polars, Arrow or a two-dimensional array, whose columns are then called x0, x1 and so on.
        name: What an error calls it.

    Raises:
        FrameError: No rows or no columns, another shape, or a column name that stands twice.

    Examples:
        >>> list(read_frame(np.zeros((2, 2))).columns)
        ['x0', 'x1']
        >>> read_frame(pd.DataFrame([[1, 2]], columns=["a", "a"]))
        Traceback (most recent call last):
        netlift.frames.columns.FrameError: X: the column 'a' stands 2 times; give each column one name
    """
    if isinstance(table, pd.Series):
        table = table.to_frame()
    if not isinstance(table, pd.DataFrame):
        table = _from_arrow(table) if hasattr(table, "__arrow_c_stream__") else _from_array(table, name)
    names = [str(column) for column in table.columns]
    twice = next((column for column in names if names.count(column) > 1), None)
    if twice is not None:
        raise FrameError(f"{name}: the column {twice!r} stands {names.count(twice)} times; give each column one name")
    if not len(table) or not names:
        what = "sample" if names else "feature"
        raise FrameError(f"{name} has 0 {what}(s) (shape={table.shape}) while a minimum of 1 is required.")
    return table.set_axis(names, axis=1)


def _from_arrow(table: Any) -> pd.DataFrame:
    import pyarrow as pa

    arrow = pa.table(table)
    views = [field.with_type(pa.large_string()) if field.type == pa.string_view() else field for field in arrow.schema]
    return arrow.cast(pa.schema(views)).to_pandas()


def _from_array(table: Any, name: str) -> pd.DataFrame:
    if hasattr(table, "tocsr"):
        raise FrameError(f"{name} is a sparse matrix; give a frame or a dense array: .toarray()")
    values = np.asarray(table)
    if values.ndim != 2:
        raise FrameError(
            f"{name}: expected 2D array, got {values.ndim}D array of shape {values.shape} instead. Reshape your data "
            "into a row a customer and a column a feature, with .reshape(-1, 1) where there is one feature"
        )
    if np.iscomplexobj(values):
        raise FrameError(f"{name}: Complex data not supported; give real numbers")
    return pd.DataFrame(values, columns=[f"x{i}" for i in range(values.shape[1])])


def read_vector(values: Any, *, rows: int, name: str) -> np.ndarray:
    """One value a row, shape (n,), none of them missing.

    Args:
        values: A column of a frame, an array or a list.
        rows: How many there must be.
        name: What an error calls it.

    Raises:
        FrameError: Another length or shape, or values that are missing.
    """
    if hasattr(values, "to_pandas"):
        values = values.to_pandas()
    if isinstance(values, pd.DataFrame) and values.shape[1] == 1:
        values = values.iloc[:, 0]
    array = np.asarray(values)
    if array.ndim == 2 and array.shape[1] == 1:
        from sklearn.exceptions import DataConversionWarning

        warnings.warn(
            f"A column-vector {name} was passed when a 1d array was expected; it is read as one",
            DataConversionWarning,
            stacklevel=2,
        )
        array = array[:, 0]
    if array.ndim != 1:
        raise FrameError(f"{name} has shape {array.shape}; give one value a row, of shape ({rows},)")
    if len(array) != rows:
        raise FrameError(
            f"{name} has {len(array):,} values for {rows:,} rows; give one for each row, in the same order"
        )
    lost = int(pd.isna(array).sum())
    if lost:
        raise FrameError(f"{name}: {lost:,} of {rows:,} values are missing (NaN); drop these rows or fill them")
    return array


def read_numbers(values: Any, *, rows: int, name: str) -> np.ndarray:
    """One finite number a row, float64, shape (n,).

    Raises:
        FrameError: As `read_vector`, or values that are text or infinite.
    """
    array = read_vector(values, rows=rows, name=name)
    try:
        numbers = array.astype(np.float64)
    except (TypeError, ValueError):
        raise FrameError(f"{name} is {array.dtype}, not numbers; convert it, or its categories to 0 and 1") from None
    lost = int(np.sum(~np.isfinite(numbers)))
    if lost:
        raise FrameError(f"{name}: {lost:,} of {rows:,} values are infinite (inf); drop these rows or cap them")
    return numbers


def learn_columns(frame: pd.DataFrame) -> tuple[Feature, ...]:
    """What each column is, and the values of those that are text.

    Raises:
        FrameError: A column that is neither numbers nor text: days, lists, numbers and text together.

    Examples:
        >>> [(f.name, f.kind) for f in learn_columns(pd.DataFrame({"age": [30, 40], "region": ["north", "south"]}))]
        [('age', 'number'), ('region', 'category')]
        >>> learn_columns(pd.DataFrame({"day": pd.to_datetime(["2026-01-01"])}))
        Traceback (most recent call last):
        netlift.frames.columns.FrameError: column 'day' holds datetime64[us]; give numbers, flags, text or
        categories: of a day, say, the days since then
    """
    return tuple(_learn(name, frame[name]) for name in frame.columns)


def _learn(name: str, column: pd.Series) -> Feature:
    dtype = column.dtype
    if pd.api.types.is_bool_dtype(dtype) or pd.api.types.is_numeric_dtype(dtype):
        return Feature(name=name, unit="as given", source="X", formula=name)
    if (
        isinstance(dtype, pd.CategoricalDtype)
        or pd.api.types.is_string_dtype(dtype)
        or pd.api.types.is_object_dtype(dtype)
    ):
        known, is_object = column.dropna(), pd.api.types.is_object_dtype(dtype)
        texts = known.map(lambda value: isinstance(value, str)) if is_object else pd.Series(dtype=bool)
        if is_object and not texts.all():
            if known.map(lambda value: isinstance(value, int | float | np.number)).all():
                return Feature(name=name, unit="as given", source="X", formula=name)
            kinds = sorted({type(value).__name__ for value in known[~texts]})
            raise FrameError(
                f"column {name!r}: {int((~texts).sum()):,} of {len(column):,} values are {', '.join(kinds)} among text "
                "(argument must be a string or a number): give it one type, such as astype(str) or astype('category')"
            )
        counts = known.astype(str).value_counts()
        kept = sorted(str(value) for value in counts.index[counts >= LEAST_CUSTOMERS] if value != OTHER)
        return Feature(name=name, unit="category", source="X", formula=name, kind="category", categories=(*kept, OTHER))
    raise FrameError(
        f"column {name!r} holds {dtype}; give numbers, flags, text or categories: of a day, say, the days since then"
    )


def encode_columns(frame: pd.DataFrame, features: Sequence[Feature]) -> np.ndarray:
    """The frame's columns as the features that were learned, float32, shape (n, k), Fortran order.

    Raises:
        FrameError: A column is missing, text where numbers were learned, or infinite.
    """
    missing = [feature.name for feature in features if feature.name not in frame.columns]
    if missing:
        raise FrameError(
            f"X has {frame.shape[1]} features, but {len(features)} were learned: {len(missing)} are missing, "
            f"{', '.join(missing[:5])} among them"
        )
    X = np.empty((len(frame), len(features)), dtype=np.float32, order="F")
    for i, feature in enumerate(features):
        column = frame[feature.name]
        if feature.kind == "category":
            text = column.astype(object).where(column.notna(), None).map(lambda v: v if v is None else str(v))
            X[:, i] = encode_categories(text, list(feature.categories))
            continue
        try:
            values = pd.to_numeric(column).to_numpy(dtype=np.float64, na_value=np.nan)
        except (TypeError, ValueError):
            raise FrameError(f"column {feature.name!r} was numbers in training and is {column.dtype} now") from None
        lost = int(np.isinf(values).sum())
        if lost:
            raise FrameError(
                f"column {feature.name!r}: {lost:,} of {len(frame):,} values are infinite (infinity); cap them, or "
                "make them missing"
            )
        X[:, i] = values
    return X


def encode_again(table: Any, features: Sequence[Feature]) -> np.ndarray:
    """`encode_columns` of a table that must look like that of training; a frame may have further columns.

    Raises:
        FrameError: As `read_frame` and `encode_columns`, and an array with another number of columns.
    """
    frame = read_frame(table)
    if isinstance(table, np.ndarray | list) and frame.shape[1] != len(features):
        raise FrameError(f"X has {frame.shape[1]} features, but predict is expecting {len(features)} features as input")
    return encode_columns(frame if not isinstance(table, np.ndarray | list) else _named(frame, features), features)


def _named(frame: pd.DataFrame, features: Sequence[Feature]) -> pd.DataFrame:
    """The columns of an array under the names of training, where they were those of a frame."""
    return frame.set_axis([feature.name for feature in features], axis=1)
