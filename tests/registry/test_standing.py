import numpy as np
import pytest

from netlift.errors import SchemaDriftError
from netlift.estimators.expression import linear, write_files
from netlift.estimators.stored import StoredModel
from netlift.features.matrix import Feature
from netlift.registry.champions import encode_for


def number(name: str) -> Feature:
    return Feature(name=name, unit="days", source="transactions", formula="")


def region(*values: str) -> Feature:
    return Feature(name="region", unit="category", source="customers", formula="", kind="category", categories=values)


def model(*features: Feature) -> StoredModel:
    columns = [{"op": "column", "name": feature.name} for feature in features]
    expression = linear(0.0, [1.0] * len(features), columns)
    files = write_files(task="ltv", features=features, outputs=[("sum", "currency", expression)], boosters={})
    return StoredModel(files)


def test_a_standing_model_gets_its_own_columns_and_codes() -> None:
    standing = model(number("b"), region("south", "north", "other"))
    given = (number("a"), region("north", "west", "other"), number("b"))
    X = np.array([[1, 0, 10], [2, 1, 20], [3, np.nan, 30]], dtype=np.float32)
    assert encode_for(standing, X, given).tolist()[:2] == [[10, 1], [20, 2]]
    assert np.isnan(encode_for(standing, X, given)[2, 1])


def test_a_column_that_is_gone_is_named() -> None:
    with pytest.raises(SchemaDriftError, match="'b'"):
        encode_for(model(number("b")), np.zeros((2, 1), dtype=np.float32), (number("a"),))
