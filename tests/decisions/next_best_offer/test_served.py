"""What mlflow's server answers with a registered next best offer: to rows as they come, and to bad requests."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.exceptions import MlflowException
from mlflow.pyfunc.scoring_server import invocations
from test_next_best_offer import add, draw, lead, make_uplift, origin_of, to_frame

from netlift.decisions.next_best_offer.model import TASK
from netlift.registry.models import load
from netlift.registry.served import OVER_HTTP

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
URI = "models:/netlift-next-best-offer@champion"
NUMBER, CATEGORY, SECRET = "days_since_last_purchase", "region", "SECRET 123456"


@pytest.fixture(scope="module")
def served(tmp_path_factory, store_template):
    """The champion as mlflow's server holds it, and the same model asked directly."""
    from netlift.registry.store import open_store

    store = open_store(tmp_path_factory.mktemp("state"), run_group="demo", template=store_template)
    lead(store, add(store, make_uplift(), origin_of(-3.0, -1.0, 0.0)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", store.uri)
        model = mlflow.pyfunc.load_model(URI)
        yield model, load(store, TASK, 1).model


@pytest.fixture
def http(served, monkeypatch):
    """Ask as over HTTP: a body in, status and text out."""
    monkeypatch.setenv(OVER_HTTP, "true")
    model, _ = served

    def ask(body):
        try:
            found = invocations(json.dumps(body), "application/json", model, model.metadata.get_input_schema())
        except MlflowException as error:
            return error.get_http_status_code(), error.serialize_as_json()
        return found.status, found.response

    return ask


@pytest.fixture
def frame():
    return to_frame(draw(np.random.default_rng(2), 6))


def records(frame):
    return json.loads(frame.to_json(orient="records", double_precision=15))


def read(text):
    """Rows of an answer, as a strict reader takes them."""

    def refuse(constant):
        raise ValueError(f"bare {constant}")

    return pd.DataFrame(json.loads(text, parse_constant=refuse)["predictions"])


@pytest.mark.parametrize("rows", [1, 6])
def test_records_and_split_with_ids_beside_them_get_what_predict_says(served, http, frame, rows):
    frame = frame.head(rows)
    wanted = served[1].predict(frame)
    with_ids = frame.assign(customer_id="007")[["customer_id", *reversed(frame.columns)]]
    split = json.loads(with_ids.to_json(orient="split", double_precision=15, index=False))
    for body in ({"dataframe_records": records(with_ids)}, {"dataframe_split": split}):
        status, text = http(body)
        assert status == 200
        pd.testing.assert_frame_equal(read(text), wanted.reset_index(drop=True), check_dtype=False, atol=1e-9)


def test_an_unknown_profit_is_null_over_http_and_nan_elsewhere(served, http, frame):
    frame.loc[1, "margin_365d"] = np.nan
    status, text = http({"dataframe_records": records(frame)})
    answer = read(text)
    assert status == 200 and json.loads(text)["predictions"][1]["expected_profit"] is None
    assert answer.loc[1, ["best_offer", "reason"]].tolist() == ["none", "no_effect_known"]
    assert answer["expected_profit"].notna().sum() == 5


def test_plain_python_gets_numbers_with_nan_of_one_type_whatever_is_missing(served, frame):
    frame["margin_365d"] = np.nan
    found = served[0].predict(frame)
    assert (found.dtypes.iloc[3:] == np.float64).all() and found["expected_profit"].isna().all()


def test_whole_numbers_nulls_and_unseen_categories_are_answered(served, http, frame):
    sent = records(frame)
    sent[0] |= {NUMBER: 30, CATEGORY: "Марс"}
    sent[1] |= {NUMBER: None, CATEGORY: None}
    wanted = served[1].predict(pd.DataFrame(sent).astype({NUMBER: float}))
    status, text = http({"dataframe_records": sent})
    assert status == 200
    pd.testing.assert_frame_equal(read(text), wanted, check_dtype=False, atol=1e-9)


def test_no_rows_get_no_answers_and_rows_without_columns_a_refusal(http, frame):
    assert http({"dataframe_split": {"columns": [*frame.columns], "data": []}}) == (200, '{"predictions": []}')
    assert http({"dataframe_records": []})[0] == 400
    assert http({"dataframe_records": [{"other": 1}]})[0] == 400


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({NUMBER: float("inf")}, f"column {NUMBER}: 1 of 6 numbers are infinite"),
        ({NUMBER: 1e300}, f"column {NUMBER}: 1 of 6 numbers are infinite"),
        ({CATEGORY: 5}, f"column {CATEGORY} holds mixed-integer where text is needed"),
    ],
    ids=["infinite", "beyond float32", "a number for text"],
)
def test_what_the_model_would_answer_wrongly_is_refused_without_a_value_of_the_request(http, frame, change, said):
    sent = records(frame.assign(region=SECRET))
    sent[0] |= change
    status, text = http({"dataframe_records": sent})
    assert status == 400 and said in text and SECRET not in text


def test_a_missing_column_is_named_and_an_integer_column_of_a_frame_refused(served, http, frame):
    status, text = http({"dataframe_records": records(frame.drop(columns=NUMBER))})
    assert status == 400 and f"Model is missing inputs ['{NUMBER}']" in text
    with pytest.raises(MlflowException, match="Can not safely convert int64 to float64"):
        served[0].predict(frame.assign(**{NUMBER: 7}))


def test_mlflow_keeps_rows_out_of_its_refusals_in_python_where_it_is_told_to(served, frame, monkeypatch):
    monkeypatch.setenv("MLFLOW_DISABLE_SCHEMA_DETAILS", "true")
    with pytest.raises(MlflowException) as refusal:
        served[0].predict(frame.assign(region=SECRET).drop(columns=NUMBER))
    assert SECRET not in str(refusal.value)


def test_spark_answers_as_predict_does_by_whatever_partitions_and_types(served, monkeypatch):
    pytest.importorskip("pyspark", reason="pyspark is not installed")
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    from pyspark.sql import SparkSession
    from pyspark.sql.functions import struct

    frame = to_frame(draw(np.random.default_rng(4), 400))
    frame.loc[5, "margin_365d"] = np.nan
    wanted = served[1].predict(frame).set_index(frame.index.astype(str))
    spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
    try:
        rows = spark.createDataFrame(frame.assign(customer_id=frame.index.astype(str))).repartition(7)
        asked = struct("customer_id", *reversed(frame.columns))
        whole = rows.select("customer_id", mlflow.pyfunc.spark_udf(spark, URI)(asked).alias("p"))
        found = whole.select("customer_id", "p.*").toPandas().set_index("customer_id").loc[wanted.index]
        pd.testing.assert_frame_equal(found, wanted, check_dtype=False, check_names=False, atol=1e-9)
        for kind, column in (("string", "best_offer"), ("double", "expected_profit")):
            one = mlflow.pyfunc.spark_udf(spark, URI, result_type=kind)(asked)
            found = rows.select("customer_id", one.alias("p")).toPandas().set_index("customer_id").loc[wanted.index]
            pd.testing.assert_series_equal(found["p"], wanted[column], check_dtype=False, check_names=False, atol=1e-9)
    finally:
        spark.stop()
