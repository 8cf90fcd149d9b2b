import numpy as np
import pandas as pd
import pytest

from netlift.errors import SchemaDriftError
from netlift.registry.package import align, build_example

FEATURES = [{"name": "age_years", "kind": "number"}, {"name": "region", "kind": "category"}]


@pytest.mark.parametrize(
    "ages",
    [
        [30, 41],
        [True, False],
        np.array([30, 41], dtype=np.float32),
        pd.array([30, None], dtype="Int64"),
        pd.array([True, None], dtype="boolean"),
        pd.array([1.5, None], dtype="double[pyarrow]"),
        [None, None],
    ],
)
def test_every_numeric_type_becomes_double(ages):
    frame = pd.DataFrame({"extra": [0, 0], "region": pd.Categorical(["юг", None]), "age_years": ages}, index=[7, 9])
    aligned = align(frame, FEATURES)
    assert list(aligned.columns) == ["age_years", "region"]
    assert aligned["age_years"].dtype == np.float64
    assert aligned["region"].tolist() == ["юг", None]
    assert aligned.index.tolist() == [7, 9]
    expected = pd.Series(ages).astype("Float64").to_numpy(dtype=float, na_value=np.nan)
    np.testing.assert_array_equal(aligned["age_years"], expected)


def test_a_missing_column_and_text_for_a_number_are_named_without_values():
    with pytest.raises(SchemaDriftError, match="region"):
        align(pd.DataFrame({"age_years": [1.0]}), FEATURES)
    with pytest.raises(SchemaDriftError, match="age_years") as refusal:
        align(pd.DataFrame({"age_years": ["+79990000000"], "region": ["юг"]}), FEATURES)
    assert "7999" not in str(refusal.value)


def test_the_example_is_nobodys_data():
    assert build_example(FEATURES).to_dict("records") == [{"age_years": 0.0, "region": "other"}]
