"""Readouts of the demo retailer, recomputed from raw rows by `plain_readout`, which shares no code with the product.

Three campaigns as the retailer made them (two to four arms, chances by tier of value, logged), and two cut from its
others: one with equal chances, and one of a single arm whose control is small and whose buyers spend in another way.
"""

import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from plain_readout import (
    AFTER,
    AFTER_DAYS,
    CONTROL,
    COST,
    LINES,
    MARGIN,
    OUTCOMES,
    PROFIT,
    chances_of,
    draw_differences,
    per_customer,
    read_plainly,
    roi,
    score_of,
)
from scipy.stats import norm

from netlift.abtest.readout.compute import read_campaign
from netlift.abtest.readout.rows import ReadoutRequest
from netlift.closed_loop.policies import in_folder
from netlift.config.business import load
from netlift.data.read import open_tables
from netlift.progress import Silent
from netlift.simulation.simulate import SimulationSettings, simulate

pytestmark = pytest.mark.slow

CONFIG = Path(__file__).parents[2] / "configs/demo.yaml"
AS_MADE, EVEN, SINGLE = ("C04", "C09", "C13"), "C08", "C18"
CAMPAIGNS = (*AS_MADE, EVEN, SINGLE)


def cut(folder):
    """The retailer with five campaigns, two of them cut."""
    contacts = pd.read_parquet(folder / "contacts.parquet")
    kept = [contacts[contacts.campaign_id.isin(AS_MADE)]]
    # Equal chances: customers of one tier only.
    even = contacts[contacts.campaign_id == EVEN]
    kept.append(even[even.arm_propensities == even.arm_propensities.mode()[0]].assign(arm_propensities=None))
    # A single arm, and a fifth of its control: chances are those of who is kept.
    single = contacts[(contacts.campaign_id == SINGLE) & contacts.offer_id.isin([CONTROL, "sms_bonus_300"])]
    single = single[(single.offer_id != CONTROL) | (single.customer_id.astype(int) % 5 == 0)]
    chance = chances_of(single.set_index("customer_id").rename(columns={"offer_id": "arm"}))
    alone, sent = chance[CONTROL].to_numpy() / 5, chance["sms_bonus_300"].to_numpy()
    drawn = np.where(single.offer_id == CONTROL, alone, sent) / (alone + sent)
    kept.append(single.assign(propensity=drawn, arm_propensities=None))
    pd.concat(kept).to_parquet(folder / "contacts.parquet")
    campaigns = pd.read_parquet(folder / "campaigns.parquet")
    campaigns[campaigns.campaign_id.isin(CAMPAIGNS)].to_parquet(folder / "campaigns.parquet")
    # Of those who got the message every third buys by the pallet: another spread of spend than in control.
    receipts = pd.read_parquet(folder / "transactions.parquet")
    many = single[(single.offer_id != CONTROL) & (single.customer_id.astype(int) % 3 == 0)]
    start = receipts.customer_id.map(many.set_index("customer_id").assigned_at)
    pallet = receipts.occurred_at.between(start, start + pd.Timedelta(days=28))
    receipts.loc[pallet, ["revenue", "margin"]] *= 12.0
    receipts.to_parquet(folder / "transactions.parquet")


@pytest.fixture(scope="module")
def readouts(tmp_path_factory):
    """Campaign to the product's readout and the plain one."""
    folder = tmp_path_factory.mktemp("second") / "tables"
    simulate(SimulationSettings(customers=5000, seed=7, end=dt.date(2026, 10, 1)), target=folder)
    cut(folder)
    settings = in_folder(load(CONFIG), folder)
    how = settings.readout.model_copy(update={"segments": ()})
    settings = settings.model_copy(update={"state": folder.parent / "var", "readout": how})
    with open_tables(settings) as tables:
        return {
            campaign: (
                read_campaign(settings, tables, ReadoutRequest(campaign_id=campaign), progress=Silent()),
                read_plainly(folder, campaign),
            )
            for campaign in CAMPAIGNS
        }


@pytest.fixture(params=CAMPAIGNS)
def both(request, readouts):
    return readouts[request.param]


def agree(estimate, expected):
    """Point and both ends, to a millionth of the largest of them."""
    found = np.array([estimate.point, estimate.ci_lower, estimate.ci_upper])
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6 * np.abs(expected).max() + 1e-9)


def agree_in_width(ends, expected):
    """Both ends, to 2 % of the interval's width: the critical value for all arms at once is drawn."""
    np.testing.assert_allclose(ends, expected, rtol=0, atol=0.02 * (expected[1] - expected[0]))


def agree_jointly(estimate, expected, *, arms):
    """As `agree`; of several arms the ends to 2 % of the width, their critical value being drawn."""
    if arms == 1:
        return agree(estimate, expected)
    assert estimate.point == pytest.approx(expected[0], rel=1e-6, abs=1e-9)
    np.testing.assert_allclose(
        [estimate.ci_lower, estimate.ci_upper], expected[1:], rtol=0, atol=0.02 * (expected[2] - expected[1]) + 1e-9
    )


def lines_of(money):
    return {line.name: line for line in money}


def critical_value(plain):
    """What the largest of the arms' studentized errors stays below in 95 of 100 draws; of one arm it is known."""
    if len(plain.adjusted) == 1:
        return float(norm.ppf(0.975))
    return float(np.quantile(np.abs(studentized(plain)).max(axis=1), 0.95))


def studentized(plain):
    arms = list(plain.adjusted.values())
    drawn = draw_differences(arms, [0.0] * len(arms))
    drawn = drawn - [PROFIT @ arm.point for arm in arms]
    return drawn / [np.sqrt(PROFIT @ arm.cov @ PROFIT) for arm in arms]


def test_the_campaigns_are_of_different_kinds(readouts):
    """What the comparisons below are worth: each way of the readout is gone by one campaign at least."""
    found = {campaign: plain for campaign, (_, plain) in readouts.items()}
    assert {len(plain.adjusted) for plain in found.values()} == {1, 2, 3, 4}
    assert [plain.unequal for plain in found.values()] == [True, True, True, False, True]
    shapes = [each.shape for plain in found.values() for each in plain.adjusted.values()]
    assert {name for *_, name in shapes} >= {"alike", "doubt", "unlike"}
    used = [abs(gamma) > 0.1 for lower, upper, _ in shapes for gamma in (lower, upper)]
    assert any(used) and not all(used)
    treated = pd.concat(rows for plain in found.values() for arm, rows in plain.groups.items() if arm != CONTROL)
    assert treated.reward.sum() > 0 and (treated.contact_cost > 0).all()
    assert (treated.spend < 0).any()  # returns of what was bought before


def test_counts_and_means(both):
    found, plain = both
    assert found.covariates == next(iter(plain.adjusted.values())).past
    assert {cell.arm: (cell.n, cell.buyers) for cell in found.cells} == {
        arm: (len(rows), int((rows.purchases > 0).sum())) for arm, rows in plain.groups.items()
    }
    for cell in found.cells:
        rows = plain.groups[cell.arm][OUTCOMES]
        assert cell.means == pytest.approx(rows.mean().to_dict(), rel=1e-6, abs=1e-9)
        assert cell.sds == pytest.approx(rows.std().to_dict(), rel=1e-6, abs=1e-9)


def test_money_of_every_arm(both):
    found, plain = both
    z = critical_value(plain)
    assert found.arms
    for arm in found.arms:
        lines, fixed = lines_of(arm.money), plain.fixed[arm.arm]
        adjusted, raw = plain.adjusted[arm.arm], plain.raw[arm.arm]
        assert arm.estimand == "treated"
        assert lines["fixed_cost"].total.point == pytest.approx(fixed)
        for name, line in LINES.items():
            off = fixed if name == "profit" else 0.0
            agree_jointly(lines[name].total, raw.n * per_customer(adjusted, line, off, z), arms=len(found.arms))
            agree_jointly(lines[name].per_customer, per_customer(adjusted, line, off, z), arms=len(found.arms))
            agree_jointly(lines[name].raw_total, raw.n * per_customer(raw, line, off, z), arms=len(found.arms))
        ends = [(each.point, each.ci_lower, each.ci_upper) for each in (arm.profit, lines["profit"].total)]
        assert ends[0] == pytest.approx(ends[1])
        assert arm.gamma == pytest.approx(max(adjusted.shape[:2], key=abs), rel=1e-6)
        assert arm.verdict.chance_of_profit == pytest.approx(norm.cdf(score_of(adjusted, fixed)), abs=1e-6)


def test_money_of_the_campaign_is_that_of_its_arms(both):
    found, plain = both
    lines, fixed = lines_of(found.money), sum(plain.fixed.values())
    for name, line in LINES.items():
        off = fixed if name == "profit" else 0.0
        agree(lines[name].total, plain.whole.n * per_customer(plain.whole, line, off))
        agree(lines[name].raw_total, plain.whole.n * per_customer(plain.whole_raw, line, off))
        summed = sum(lines_of(arm.money)[name].total.point for arm in found.arms)
        assert lines[name].total.point == pytest.approx(summed, rel=1e-9, abs=1e-6)
        own, by_arms = (line @ each.cov @ line for each in (plain.whole, plain.whole_by_arms))
        assert own == pytest.approx(by_arms, rel=0.01)
    assert found.profit == lines["profit"].total
    assert found.verdict.chance_of_profit == pytest.approx(norm.cdf(score_of(plain.whole, fixed)), abs=1e-6)


def test_what_followed_the_window(both):
    """Margin of the 28 days behind it, and profit with them, by the same lines through the past as the headline."""
    found, plain = both
    assert {row.days for row in found.pull_forward} == {found.after_window.days}
    if found.after_window.days < AFTER_DAYS:  # the tables end before; the plain one reads whole 28 days
        pytest.skip("fewer days behind the window than the plain readout reads")
    z = critical_value(plain)
    for arm, row in zip(found.arms, found.pull_forward, strict=True):
        own, fixed = plain.adjusted[arm.arm], plain.fixed[arm.arm]
        agree_jointly(row.after, own.n * per_customer(own, AFTER, 0.0, z), arms=len(found.arms))
        agree_jointly(row.net, own.n * per_customer(own, PROFIT + AFTER, fixed, z), arms=len(found.arms))
        assert row.net.point == pytest.approx(arm.profit.point + row.after.point)
    whole, fixed = found.after_window, sum(plain.fixed.values())
    agree(whole.after, plain.whole.n * per_customer(plain.whole, AFTER))
    agree(whole.net, plain.whole.n * per_customer(plain.whole, PROFIT + AFTER, fixed))
    assert whole.net.point == pytest.approx(found.profit.point + whole.after.point)


def test_the_curve_of_every_arm_ends_where_its_headline_stands(both):
    found, _ = both
    last = {point.arm: point.profit for point in found.days}
    assert found.arms
    for arm in found.arms:
        ends = [(each.point, each.ci_lower, each.ci_upper) for each in (last[arm.arm], arm.profit)]
        assert ends[0] == pytest.approx(ends[1], rel=1e-6, abs=0.01)


def test_costs_are_those_that_were_paid(both):
    """Control got nothing, so that the treated cost what contacts say; equal chances: before adjustment."""
    found, plain = both
    for name in ("reward", "contact_cost"):
        paid = {arm: plain.groups[arm][name].sum() for arm in plain.adjusted}
        for cost, money in [(sum(paid.values()), found.money), *((paid[arm.arm], arm.money) for arm in found.arms)]:
            line = lines_of(money)[name]
            assert line.total.point == pytest.approx(cost, rel=1e-9)


def test_return_on_cost(both):
    found, plain = both
    fixed = sum(plain.fixed.values())
    assert found.roi.kind == "interval"
    assert (found.roi.point, found.roi.lower, found.roi.upper) == pytest.approx(roi(plain.whole, fixed), rel=1e-6)
    z = critical_value(plain)
    for arm in found.arms:
        point, *ends = roi(plain.adjusted[arm.arm], plain.fixed[arm.arm], z)
        assert arm.roi.point == pytest.approx(point, rel=1e-6)
        agree_in_width([arm.roi.lower, arm.roi.upper], ends)
        assert len(found.arms) > 1 or (arm.roi.lower, arm.roi.upper) == pytest.approx(ends, rel=1e-6)


def test_return_agrees_with_profit(both):
    """A margin of (1 + ROI) times the cost: at either end of the set the interval of the net benefit ends at zero."""
    found, plain = both
    for end, place in ((found.roi.lower, 1), (found.roi.upper, 2)):
        net = MARGIN - (1 + end) * COST
        left = per_customer(plain.whole, net, (1 + end) * sum(plain.fixed.values()))
        assert left[place] == pytest.approx(0.0, abs=1e-6 * (left[2] - left[1]))
    profit = per_customer(plain.whole, PROFIT, sum(plain.fixed.values()))
    assert (found.roi.lower <= 0 <= found.roi.upper) == (profit[1] <= 0 <= profit[2])


def test_the_average_customer_and_the_cost_of_control(both):
    found, plain = both
    assert found.arms
    for arm in found.arms:
        if plain.unequal:
            agree(arm.average_profit, per_customer(plain.average[arm.arm], PROFIT, plain.fixed[arm.arm]))
        else:
            assert arm.average_profit is None
        agree(arm.cost_of_holdout, len(plain.groups[CONTROL]) * per_customer(plain.left[arm.arm], PROFIT))


def test_all_arms_at_once(both):
    found, plain = both
    if len(found.arms) == 1:
        (arm,) = found.arms
        assert arm.profit_simultaneous == arm.profit and arm.verdict.chance_jointly is None
        return
    errors, z = studentized(plain), critical_value(plain)
    assert found.arms
    for arm in found.arms:
        own, fixed = plain.adjusted[arm.arm], plain.fixed[arm.arm]
        ends = own.n * per_customer(own, PROFIT, fixed, z)[1:]
        agree_in_width([arm.profit_simultaneous.ci_lower, arm.profit_simultaneous.ci_upper], ends)
        assert arm.profit_simultaneous.point == arm.profit.point
        joint = np.mean(errors.max(axis=1) < score_of(own, fixed))
        # The product takes the least that two arms share of control for what all of them share, and so is careful.
        assert joint - 0.04 < arm.verdict.chance_jointly < joint + 0.02


def test_chance_of_being_the_best(both):
    found, plain = both
    drawn = draw_differences(list(plain.average.values()), list(plain.fixed.values()))
    best = np.where(drawn.max(axis=1) > 0, drawn.argmax(axis=1), -1)
    assert [arm.arm for arm in found.arms] == list(plain.average)
    for place, arm in enumerate(found.arms):
        assert arm.chance_best == pytest.approx(np.mean(best == place), abs=0.01)
