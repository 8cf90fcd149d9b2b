"""Numbers of methods/abtest.md that the readout must meet, each with the source named there."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from scipy.stats import t as student

from netlift.abtest.readout.roi import MARGIN, TwoLines, break_even_margin_rate, fieller, roi, two_lines
from netlift.abtest.readout.verdict import decide, expected_losses
from netlift.abtest.stats.adjustment import adjusted
from netlift.abtest.stats.difference import COST, contrast, money
from netlift.abtest.stats.heterogeneity import segment_effects
from netlift.abtest.stats.moments import OUTCOMES, PROFIT, of_rows, of_sums
from netlift.abtest.stats.sequential import bounds
from netlift.abtest.stats.skew import chance_above, critical

pytestmark = pytest.mark.slow

DATA = Path(__file__).parents[2] / "../shared/data/hillstrom.parquet"
hillstrom = pytest.mark.skipif(not DATA.exists(), reason=f"needs {DATA.name} in shared/data beside the checkout")
TERMS = {"level": 0.95, "currency": "USD"}


def summed(n, total, squares):
    """A cell of one figure from what fixtures give: count, sum, sum of squares."""
    return of_sums(("margin",), n, np.array([total]), np.array([[squares]]), 0.0, buyers=n)


# A. trimmed_match (Google), trimmed_match/estimator_test.py, without trimming.


def paired(response, cost):
    r, c = np.array(response, float), np.array(cost, float)
    covariance = np.cov(r, c) / len(r)
    return TwoLines(a=r.mean(), b=c.mean(), va=covariance[0, 0], vb=covariance[1, 1], vab=covariance[0, 1])


@pytest.mark.parametrize(("z", "lower", "upper"), [(1.645, 1.250, 1.905), (student.ppf(0.95, 3), 0.622, 1.988)])
def test_return_on_ad_spend_of_four_pairs_is_trimmed_matchs(z, lower, upper):
    lines = paired([1, 10, 3, 8], [1, 5, 2, 5])
    found = fieller(lines, z=float(z))
    assert lines.a / lines.b == pytest.approx(1.692, abs=5e-4)
    assert (found.kind, found.lower, found.upper) == (
        "interval", pytest.approx(lower, abs=5e-4), pytest.approx(upper, abs=5e-4),
    )  # fmt: skip


# B. gbstats, tests/frequentist/test_tests.py and the Bayesian fixtures.


def test_difference_of_gbstats_fixture():
    seen = contrast(summed(3461, 2422.7, 134698.29), summed(3407, 1396.87, 52377.9767))
    found = money(seen, {"margin": 1.0}, **TERMS)[1]
    assert found.point == pytest.approx(0.29, abs=5e-6)
    assert seen.se({"margin": 1.0}) == pytest.approx(0.12478, abs=5e-6)
    assert (found.ci_lower, found.ci_upper) == pytest.approx((0.04538, 0.53462), abs=6e-5)  # theirs by t, ours by z
    assert 2 * norm.sf(found.point / seen.se({"margin": 1.0})) == pytest.approx(0.02016, abs=6e-5)


def test_losses_are_gbstats_get_risk():
    assert expected_losses(0.1, 0.05) == pytest.approx((0.0004245351308, 0.1004245351308), abs=1e-12)


def relative(a, b):
    """gbstats' Bayesian fixtures are of the relative lift by the delta method: mean and standard deviation."""
    (mean_a, var_a, n_a), (mean_b, var_b, n_b) = a, b
    return mean_b / mean_a - 1, math.sqrt(var_b / n_b / mean_a**2 + var_a / n_a * mean_b**2 / mean_a**4)


def test_chance_and_losses_of_gbstats_bayesian_fixture():
    lift, sd = relative((10.0, 0.25, 10), (10.5, 1.0, 10))
    assert chance_above(0.0, lift, sd) == pytest.approx(0.91923, abs=5e-6)
    assert expected_losses(lift, sd)[::-1] == pytest.approx((0.05131, 0.00131), abs=5e-6)


def test_chance_of_gbstats_proportions_fixture():
    lift, sd = relative((0.49, 0.49 * 0.51, 100), (0.51, 0.51 * 0.49, 100))
    assert chance_above(0.0, lift, sd) == pytest.approx(0.60918, abs=5e-6)
    assert (lift - 1.959964 * sd, lift + 1.959964 * sd) == pytest.approx((-0.24779, 0.32943), abs=5e-6)


# C. ep-stats, evaluations_metrics.csv.


def test_absolute_test_of_ep_stats_fixture():
    a, b = summed(23, 92, 1068), summed(27, 197, 2305)
    seen = contrast(b, a)
    parts = [cell.mean_cov[0, 0] for cell in (a, b)]
    freedom = sum(parts) ** 2 / (parts[0] ** 2 / 22 + parts[1] ** 2 / 26)
    t = seen.difference[0] / seen.se({"margin": 1.0})
    assert 2 * student.sf(t, freedom) == pytest.approx(0.0473243944, abs=1e-9)
    lift, sd = relative((a.mean[0], 23 * parts[0], 23), (b.mean[0], 27 * parts[1], 27))
    assert (lift, sd) == pytest.approx((0.8240740741, 0.6040927828), abs=1e-9)


# F. Hillstrom, MineThatData 2008: 64,000 customers.


@pytest.fixture(scope="module")
def frame():
    return pd.read_parquet(DATA)


def arm(frame, name, *, reward=0.0, contact=0.05, margin=0.4):
    spend = frame.spend[frame.segment == name].to_numpy(float)
    offered = name != "No E-Mail"
    columns = [spend, margin * spend, reward * offered * spend, np.full(len(spend), contact * offered)]
    return of_rows(np.column_stack(columns), OUTCOMES)


def against_none(frame, name, **kw):
    return contrast(arm(frame, name, **kw), arm(frame, "No E-Mail", **kw))


@hillstrom
@pytest.mark.parametrize(
    ("name", "n", "buyers", "mean", "sd"),
    [
        ("Mens E-Mail", 21307, 267, 1.422617, 17.754205),
        ("Womens E-Mail", 21387, 189, 1.077202, 15.116106),
        ("No E-Mail", 21306, 122, 0.652789, 11.588200),
    ],
)
def test_cells_of_hillstrom(frame, name, n, buyers, mean, sd):
    cell = arm(frame, name)
    assert (cell.n, cell.buyers) == (n, buyers)
    assert (cell.mean[0], cell.sd[0]) == pytest.approx((mean, sd), abs=1e-6)


@hillstrom
@pytest.mark.parametrize(
    ("name", "revenue", "revenue_ci", "profit", "profit_ci", "returned", "roi_ci", "break_even"),
    [
        ("Mens E-Mail", 16402.71, (10337, 22468), 5495.73, (3069, 7922), 5.159, (2.881, 7.436), 0.0649),
        ("Womens E-Mail", 9076.90, (3614, 14540), 2561.41, (376, 4747), 2.395, (0.352, 4.439), 0.1178),
    ],
)
def test_money_of_hillstrom_at_a_flat_contact_price(
    frame, name, revenue, revenue_ci, profit, profit_ci, returned, roi_ci, break_even
):
    seen = against_none(frame, name)
    for weights, point, ends in (({"revenue": 1.0}, revenue, revenue_ci), (PROFIT, profit, profit_ci)):
        total = money(seen, weights, **TERMS)[0]
        assert total.point == pytest.approx(point, abs=0.005)
        assert (total.ci_lower, total.ci_upper) == pytest.approx(ends, abs=0.51)
    found = roi(seen, **TERMS)
    assert (found.kind, found.g) == ("interval", 0.0)
    assert (found.point, found.lower, found.upper) == pytest.approx((returned, *roi_ci), abs=6e-4)
    assert break_even_margin_rate(seen) == pytest.approx(break_even, abs=5e-5)


@hillstrom
def test_golden_return_case_of_hillstrom(frame):
    """Mens e-mail: reward 10 % of treated spend, contact .05, fixed 500, margin .40."""
    seen = against_none(frame, "Mens E-Mail", reward=0.1)
    lines = two_lines(seen, MARGIN, COST, bottom_fixed=500)
    assert (lines.a, lines.b) == pytest.approx((0.307931, 0.215728), abs=5e-7)
    assert (lines.va, lines.vb, lines.vab) == pytest.approx((0.00337545, 0.00014794, 0.00059175), abs=5e-9)
    profit, found = money(seen, PROFIT, **TERMS, fixed=500)[0], roi(seen, **TERMS, fixed=500)
    assert profit.point == pytest.approx(1964.56, abs=0.005)
    assert (profit.ci_lower, profit.ci_upper) == pytest.approx((-55.51, 3984.64), abs=0.005)
    assert found.g == pytest.approx(0.01221, abs=5e-6)
    assert (found.point, found.lower, found.upper) == pytest.approx((0.4274, -0.0132, 0.8044), abs=5e-5)
    delta = lines.net_se(lines.a / lines.b) / lines.b * critical(0.95)
    assert (found.point - delta, found.point + delta) == pytest.approx((0.0224, 0.8324), abs=5e-5)
    verdict = decide(
        profit, seen.se(PROFIT) * seen.n_treated, tolerance=100.0, assigned=42_613, shape=seen.shape, fixed=500
    )
    assert verdict.code == "probably_made_money"
    assert verdict.chance_of_profit == pytest.approx(0.971682, abs=5e-7)
    assert verdict.expected_loss_if_shipped == pytest.approx(11.214, abs=5e-4)


@hillstrom
def test_mens_against_womens_of_hillstrom(frame):
    seen = contrast(arm(frame, "Mens E-Mail"), arm(frame, "Womens E-Mail"))
    spend = {"revenue": 1.0}
    assert (seen.point(spend), seen.se(spend)) == pytest.approx((0.345415, 0.159617), abs=5e-7)
    assert 2 * norm.sf(seen.point(spend) / seen.se(spend)) == pytest.approx(0.0305, abs=5e-5)


def segments(frame, name, column):
    cells = {
        str(value): tuple(
            of_rows(part.spend[part.segment == each].to_numpy(float)[:, None], ("margin",))
            for each in (name, "No E-Mail")
        )
        for value, part in frame.groupby(column)
    }
    return segment_effects(column, name, cells, planned=True, minimum_buyers=1, **TERMS)


@hillstrom
@pytest.mark.parametrize(
    ("name", "column", "q", "p"),
    [
        ("Mens E-Mail", "history_segment", 5.26, 0.51),
        ("Womens E-Mail", "history_segment", 13.09, 0.042),
        ("Womens E-Mail", "newbie", 5.62, 0.018),
    ],
)
def test_segment_tests_of_hillstrom(frame, name, column, q, p):
    found = segments(frame, name, column)
    assert found.heterogeneity.q == pytest.approx(q, abs=0.005)
    assert found.heterogeneity.p_value == pytest.approx(p, abs=0.005 if p > 0.1 else 5e-4)
    if name == "Mens E-Mail":
        assert found.heterogeneity.between_sd == 0
        assert [row.shrunken.point for row in found.rows] == pytest.approx([0.73] * 7, abs=0.005)


@hillstrom
@pytest.mark.parametrize(
    ("name", "mens", "womens", "lift", "se"),
    [
        ("Mens E-Mail", 1, 0, 0.6827, 0.2222),
        ("Womens E-Mail", 1, 0, 0.2784, 0.2051),
        ("Mens E-Mail", 0, 1, 0.6157, 0.1766),
        ("Womens E-Mail", 0, 1, 0.6316, 0.1717),
        ("Mens E-Mail", 1, 1, 1.8250, 0.6810),
        ("Womens E-Mail", 1, 1, 0.1619, 0.4976),
    ],
)
def test_lifts_of_what_customers_bought_before(frame, name, mens, womens, lift, se):
    seen = against_none(frame[(frame.mens == mens) & (frame.womens == womens)], name)
    spend = {"revenue": 1.0}
    assert (seen.point(spend), seen.se(spend)) == pytest.approx((lift, se), abs=5e-5)


@hillstrom
def test_a_year_of_history_buys_nothing_on_a_one_percent_email(frame):
    """Section 2.5: standard error of spend .145247 raw, .145215 with history."""
    cells = []
    for name in ("Mens E-Mail", "No E-Mail"):
        rows = frame[frame.segment == name]
        cells.append(of_rows(rows[["spend", "spend", "history"]].to_numpy(float), ("revenue", "margin", "history")))
    found = adjusted(*cells, outcomes=("revenue", "margin"), covariates=["history"])
    spend = {"revenue": 1.0}
    assert found.raw.se(spend) == pytest.approx(0.145247, abs=1e-6)
    assert found.contrast.se(spend) == pytest.approx(0.145215, abs=2e-5)


# G. Cookie Cats, published counts.


@pytest.mark.parametrize(
    ("gate_40", "gate_30", "points", "ends", "p"),
    [((8279, 45489), (8502, 44700), -0.82013, (-1.328, -0.312), 0.00155),
     ((20119, 45489), (20034, 44700), -0.5905, None, 0.07441)],
)  # fmt: skip
def test_retention_of_cookie_cats(gate_40, gate_30, points, ends, p):
    seen = contrast(*(summed(n, stayed, stayed) for stayed, n in (gate_40, gate_30)))
    found = money(seen, {"margin": 1.0}, **TERMS)[1]
    assert 100 * found.point == pytest.approx(points, abs=5e-5)
    if ends:
        assert (100 * found.ci_lower, 100 * found.ci_upper) == pytest.approx(ends, abs=6e-4)
    assert 2 * norm.cdf(found.point / seen.se({"margin": 1.0})) == pytest.approx(p, abs=5e-5)


# J and section 2.9. Lan-DeMets bounds in O'Brien and Fleming's manner.


@pytest.mark.parametrize(
    ("spending", "measured"),
    [("per_side", (4.332, 2.961, 2.359, 2.013)), ("two_sided", (3.920, 2.772, 2.300, 2.044))],
)
def test_bounds_of_four_quarters(spending, measured):
    """The methods file measured them by draws: its third decimal moves by two, ours is that of the integral."""
    assert bounds((0.25, 0.5, 0.75, 1.0), level=0.95, spending=spending) == pytest.approx(measured, abs=2.5e-3)


def test_bounds_of_seqbounds():
    """README of PharmCat/SeqBounds.jl: one-sided 5 %, O'Brien-Fleming spending, four quarters."""
    published = (3.74955, 2.53993, 2.01604, 1.72014)
    assert bounds((0.25, 0.5, 0.75, 1.0), level=0.90) == pytest.approx(published, abs=5e-4)
