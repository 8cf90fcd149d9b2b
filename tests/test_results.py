"""Results print, and export the same values as frame, Markdown and JSON."""

from __future__ import annotations

import json
import math
from dataclasses import FrozenInstanceError, dataclass, field, make_dataclass
from datetime import date, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlift.results import SCHEMA_VERSION, Estimate, Table, format_number, to_plain


@dataclass(frozen=True, kw_only=True)
class Arm:
    arm: str
    rows: int
    lift: Estimate | None = None


def estimate(point=1.84, lower=0.61, upper=3.07):
    return Estimate(point=point, ci_lower=lower, ci_upper=upper, level=0.95, unit="RUB/customer", method="DR")


TABLE = Table(name="arms", rows=(Arm(arm="control", rows=10), Arm(arm="a|b\nc", rows=20, lift=estimate())))

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
plain = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=20
)


@given(value=plain)
def test_what_json_can_hold_goes_through_unchanged(value):
    assert to_plain(value) == value
    assert json.loads(json.dumps(to_plain(value))) == value


@given(value=plain)
def test_making_plain_twice_changes_nothing(value):
    wrapped = {"a": (value, np.float64(0.5), date(2026, 1, 1)), "b": Arm(arm="x", rows=1, lift=estimate())}
    assert to_plain(to_plain(wrapped)) == to_plain(wrapped)
    json.dumps(to_plain(wrapped), allow_nan=False)


@given(names=st.lists(st.from_regex(r"[a-z]{1,8}", fullmatch=True), unique=True, max_size=5), value=plain)
def test_a_dataclass_becomes_a_dictionary_of_its_fields(names, value):
    names = [f"f_{name}" for name in names]
    row = make_dataclass("Row", [(name, object, field(default=None)) for name in names], frozen=True)
    assert to_plain(row(*[value] * len(names))) == dict.fromkeys(names, value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), np.float32("nan"), np.float64("inf")])
def test_numbers_that_json_cannot_hold_become_null(value):
    assert to_plain([value]) == [None]


def test_numpy_and_dates_become_what_json_holds():
    found = to_plain(
        [np.int64(3), np.bool_(True), np.array([1.5, np.nan]), date(2026, 5, 1), datetime(2026, 5, 1, 9), {2: 1}]
    )
    assert found == [3, True, [1.5, None], "2026-05-01", "2026-05-01 09:00:00", {"2": 1}]
    assert json.loads(json.dumps(found)) == found


@pytest.mark.parametrize("value", [Path("/x"), {3, 1}, b"x", np.array([], dtype=float), np.zeros((2, 2))])
def test_everything_a_result_may_hold_can_be_written_as_json(value):
    assert list(json.loads(json.dumps(to_plain({"value": value}), allow_nan=False))) == ["value"]


@given(value=st.floats(allow_nan=False, allow_infinity=False))
def test_a_written_number_is_within_half_of_its_last_digit(value):
    written = float(format_number(value).replace(",", ""))
    assert abs(written - value) <= (0.5 if abs(value) >= 1000 else 0.006 * abs(value)) + 1e-300


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (-0.0, "0"),
        (0.05, "0.05"),
        (100.0, "100"),
        (999.6, "1,000"),
        (1234567.8, "1,234,568"),
        (-1234.5, "-1,234"),
        (0.00001234, "0.0000123"),
        (0.0999999, "0.1"),
        (math.inf, "inf"),
    ],
)
def test_numbers_read_as_people_write_them(value, text):
    assert format_number(value) == text


def test_an_estimate_prints_its_interval_and_unit():
    assert str(estimate()) == "1.84 [0.61, 3.07] RUB/customer"
    assert f"{Estimate(point=1, ci_lower=0, ci_upper=2, level=0.95, unit='', method='')}" == "1 [0, 2]"


def test_results_do_not_change():
    with pytest.raises(FrozenInstanceError):
        estimate().point = 2


def test_markdown_keeps_one_line_per_row_whatever_the_words_hold():
    lines = TABLE.to_markdown().splitlines()
    assert len(lines) == 4
    assert lines[3] == "| a\\|b c | 20 | 1.84 [0.61, 3.07] RUB/customer |"
    assert Table(name="arms", rows=()).to_markdown() == "(no arms)"


def test_json_holds_the_rows_and_the_version_of_their_form():
    found = json.loads(TABLE.to_json())
    assert (found["schema_version"], found["name"], len(found["rows"])) == (SCHEMA_VERSION, "arms", 2)
    assert found["rows"][1]["lift"]["ci_upper"] == 3.07
    assert found["rows"] == TABLE.to_dicts()


def test_a_frame_has_a_column_for_each_part_of_an_estimate():
    frame = Table(name="arms", rows=TABLE.rows[1:]).to_frame()
    assert list(frame.columns) == ["arm", "rows", "lift", "lift_ci_lower", "lift_ci_upper", "lift_unit"]
    assert frame["lift"].tolist() == [1.84]


def test_words_of_a_row_are_text_in_html_and_never_markup():
    page = Table(name="arms", rows=(Arm(arm="<script>alert(1)</script>", rows=1),))._repr_html_()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_a_table_counts_and_iterates_its_rows():
    assert len(TABLE) == 2
    assert [row.arm for row in TABLE] == ["control", "a|b\nc"]
