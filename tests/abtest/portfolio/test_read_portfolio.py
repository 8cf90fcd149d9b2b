"""All campaigns in one reading: the world that was drawn, the readouts one by one, and the universal holdout."""

from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import ibis
import numpy as np
import pandas as pd
import pytest
from segment_world import make_retailer

from netlift.abtest.assignment.holdout import is_held_out, period_of
from netlift.abtest.portfolio.compute import read_portfolio
from netlift.abtest.portfolio.holdout import find_holdout
from netlift.config.business import load
from netlift.config.plan import HoldoutPlan
from netlift.config.readout import ReadoutSettings
from netlift.data.engines.duckdb import DuckDBEngine
from netlift.data.read import conform
from netlift.errors import DataError
from netlift.pipelines.portfolio import FILES, PortfolioRequest, make_portfolio
from netlift.progress import Silent

pytestmark = pytest.mark.slow

START, WINDOW = datetime(2026, 1, 5), 14
CAMPAIGNS, CUSTOMERS = 14, 4000
EFFECTS = np.array([0.0] * 10 + [3.0, 4.0, 6.0, 8.0])  # margin per contact, EUR
HOLDOUT = HoldoutPlan(share=0.2, salt="house", rotate_months=6, washout_days=0)


class Plan:
    """What a portfolio asks of a plan."""

    def __init__(self, campaign_id, holdout=HOLDOUT):
        self.campaign_id, self.holdout, self.start, self.cluster, self.fixed_cost = (
            campaign_id,
            holdout,
            START,
            None,
            0.0,
        )


def at(days):
    return START + timedelta(days=float(days))


def draw(seed=1, holdout=False):
    """Campaigns two weeks apart, each on everybody who is not held out, a third of them as control."""
    rng = np.random.default_rng(seed)
    ids = np.array([f"c{i:05d}" for i in range(CUSTOMERS)], dtype=object)
    held = np.zeros(CUSTOMERS, dtype=bool)
    if holdout:
        period = period_of(START.date(), rotate_months=6, washout_days=0)
        held = is_held_out(list(ids), share=HOLDOUT.share, salt=HOLDOUT.salt, period=period)
    contacts, receipts = [], []
    for number, effect in enumerate(EFFECTS if not holdout else np.full(10, 4.0)):
        treated = (rng.random(CUSTOMERS) < 2 / 3) & ~held
        asked = ids[~held]
        contacts.append(
            pd.DataFrame(
                {
                    "campaign_id": f"K{number:02d}",
                    "customer_id": asked,
                    "assigned_at": at(15 * number),
                    "offer_id": np.where(treated[~held], "mail", "control"),
                    "propensity": np.where(treated[~held], 2 / 3, 1 / 3),
                    "contact_cost": np.where(treated[~held], 0.5, 0.0),
                }
            )
        )
        buys = rng.random(CUSTOMERS) < 0.3
        margin = np.where(buys, rng.gamma(2, 10, CUSTOMERS), 0.0) + effect * treated
        who = np.flatnonzero(margin)
        receipts.append(
            pd.DataFrame(
                {
                    "customer_id": ids[who],
                    "occurred_at": at(15 * number + 5),
                    "margin": margin[who],
                    "revenue": 3 * margin[who],
                }
            )
        )
    receipts.append(pd.DataFrame({"customer_id": ids[:1], "occurred_at": END, "margin": 0.0, "revenue": 0.0}))
    campaigns = len(contacts)
    tier = np.where(rng.random(CUSTOMERS) < 0.5, "a", "b")
    frames = {
        "customers": pd.DataFrame({"customer_id": ids, "joined_at": at(-200), "tier": tier}),
        "transactions": pd.concat(receipts),
        "contacts": pd.concat(contacts),
        "campaigns": pd.DataFrame(
            {
                "campaign_id": [f"K{i:02d}" for i in range(campaigns)],
                "started_at": [at(15 * i) for i in range(campaigns)],
                "outcome_days": float(WINDOW),
                "fixed_cost": 500.0,
                "name": "=1+1",
            }
        ),
    }
    return frames


def tables_of(frames):
    sources = {name: ibis.memtable(frame) for name, frame in frames.items()}
    return conform(DuckDBEngine(), sources, attributes=("tier",), zone=ZoneInfo("UTC"))


class Business:
    """What a portfolio asks of a business."""

    name, currency, decision = "shop", "EUR", None
    readout = ReadoutSettings(tolerance=0.0, segments=("tier",), pre_days=30)

    @staticmethod
    def digest():
        return "0" * 64


END = at(15 * 14 + 30)


def read(frames, *, plans=(), as_of=END, **more):
    own = {"plans": plans, "universal": find_holdout(Business(), plans, {})}
    return read_portfolio(Business(), tables_of(frames), as_of=as_of, progress=Silent(), **own, **more)


def test_each_campaign_is_recomputed_from_its_rows_and_the_sum_from_the_campaigns() -> None:
    frames = draw()
    found = read(frames)
    assert len(found.campaigns) == CAMPAIGNS and not found.left_out and found.holdout is None
    by_id = {line.campaign_id: line for line in found.campaigns}
    contacts, receipts = frames["contacts"], frames["transactions"]
    for number in (0, 9, 13):
        line = by_id[f"K{number:02d}"]
        own = contacts[contacts.campaign_id == f"K{number:02d}"].set_index("customer_id")
        spent = receipts[receipts.occurred_at == pd.Timestamp(at(15 * number + 5))].set_index("customer_id").margin
        profit = spent.reindex(own.index, fill_value=0.0) - own.contact_cost
        treated = (own.offer_id == "mail").to_numpy()
        raw = treated.sum() * (profit[treated].mean() - profit[~treated].mean()) - 500
        assert line.treated == treated.sum()
        # adjustment for a time before that tells nothing moves it by little
        assert line.raw.point == pytest.approx(raw, abs=0.35 * (line.raw.ci_upper - line.raw.ci_lower) / 2)
    assert found.sums.raw.point == pytest.approx(sum(line.raw.point for line in found.campaigns))
    assert found.sums.shrunken.point == pytest.approx(sum(line.shrunken.point for line in found.campaigns))
    widths = np.array([line.raw.ci_upper - line.raw.ci_lower for line in found.campaigns])
    assert found.sums.raw.ci_upper - found.sums.raw.ci_lower == pytest.approx(np.sqrt((widths**2).sum()), rel=0.02)


def test_periods_add_up_to_the_campaigns_that_began_in_them() -> None:
    found = read(draw())
    month, year, whole = found.periods
    assert (month.name, month.since) == ("month", (END - timedelta(microseconds=1)).date().replace(day=1))
    assert whole.net.point == pytest.approx(found.sums.shrunken.point)
    assert [total.shrunken.point for total in whole.offers] == pytest.approx([o.shrunken.point for o in found.offers])
    for period in (month, year, whole):
        own = [line.shrunken.point for line in found.campaigns if line.started >= period.since]
        assert period.campaigns == len(own)
        assert period.earned.point == pytest.approx(sum(money for money in own if money > 0))
        assert period.lost.point == pytest.approx(sum(money for money in own if money <= 0))
        assert period.net.point == pytest.approx(sum(own))
        for totals in (period.offers, period.channels):
            assert sum(total.shrunken.point for total in totals) == pytest.approx(period.net.point)
        assert period.net.ci_lower <= period.net.point <= period.net.ci_upper


def test_what_worked_is_found_and_the_corrected_sum_holds_the_truth() -> None:
    found = read(draw())
    treated = {line.campaign_id: line.treated for line in found.campaigns}
    truth = sum(treated[f"K{i:02d}"] * (effect - 0.5) - 500 for i, effect in enumerate(EFFECTS))
    assert found.sums.shrunken.ci_lower < truth < found.sums.shrunken.ci_upper
    q_values = {line.campaign_id: line.q_value for line in found.campaigns}
    assert {name for name, q in q_values.items() if q <= 0.1} >= {"K11", "K12", "K13"}
    assert found.sums.worked == sum(q <= 0.1 for q in q_values.values())
    assert found.sums.winners_shrunken.point < found.sums.winners_raw.point
    assert [line.shrunken.point for line in found.campaigns] == sorted(
        (line.shrunken.point for line in found.campaigns), reverse=True
    )
    best = next(line for line in found.campaigns if line.campaign_id == "K13")
    assert best.chance_of_profit > 0.99
    assert {line.segment for line in found.segments} == {"a", "b"}
    assert len(found.segments) == 2 * CAMPAIGNS


def test_campaigns_that_cannot_be_read_are_named_with_the_reason() -> None:
    frames = draw()
    contacts, campaigns = frames["contacts"], frames["campaigns"]
    contacts.loc[contacts.campaign_id == "K01", "propensity"] = None
    campaigns["randomized"] = [False if name == "K02" else None for name in campaigns.campaign_id]
    contacts.loc[contacts.campaign_id == "K03", "offer_id"] = "mail"
    lost = (contacts.campaign_id == "K04") & (contacts.offer_id == "control") & (contacts.customer_id < "c01000")
    few = (contacts.campaign_id == "K05") & ~contacts.customer_id.isin(
        contacts[(contacts.campaign_id == "K05")].drop_duplicates("offer_id").customer_id
    )
    gone = contacts.campaign_id == "K06"
    frames["contacts"] = contacts[~lost & ~few & ~gone]
    found = read(frames, as_of=at(15 * 12 + 20))
    assert {out.campaign_id: out.reason for out in found.left_out} == {
        "K01": "observational", "K02": "observational", "K03": "no_control", "K04": "sample_ratio", "K05": "too_small",
        "K06": "no_contacts", "K13": "window_open",
    }  # fmt: skip
    assert len(found.campaigns) == CAMPAIGNS - 7


def test_a_portfolio_of_nothing_is_an_empty_answer() -> None:
    found = read(draw(), as_of=at(3))
    assert found.sums is None and not found.campaigns
    assert {out.reason for out in found.left_out} == {"window_open"}


def test_few_campaigns_are_not_shrunken_and_it_says_so() -> None:
    found = read(draw(), as_of=at(15 * 5))
    assert len(found.campaigns) == 5
    assert found.sums.effect_sd is None and "too few" in found.sums.shrunken.method
    assert found.sums.shrunken.point == pytest.approx(found.sums.raw.point)


def test_the_universal_holdout_is_held_against_the_sum_of_the_campaigns() -> None:
    """Ten campaigns earn 4 EUR of margin less .5 a contact, on two thirds of those who are not held out."""
    frames = draw(holdout=True)
    plans = [Plan("K00"), Plan("K01", holdout=None), Plan("K02")]
    found = read(frames, plans=plans, as_of=datetime(2026, 7, 1)).holdout
    period = period_of(START.date(), rotate_months=6, washout_days=0)
    others = int((~is_held_out(list(frames["customers"].customer_id), share=0.2, salt="house", period=period)).sum())
    assert (found.periods, found.others, found.held_out) == (1, others, CUSTOMERS - others)
    assert (found.contacted, found.campaigns, found.unread) == (0, 10, 0)
    truth = 10 * (others * 2 / 3 * 3.5 - 500)
    assert found.profit.ci_lower < truth < found.profit.ci_upper
    assert found.campaigns_shrunken.point == pytest.approx(truth, rel=0.15)
    assert found.gap.ci_lower < 0 < found.gap.ci_upper
    assert found.gap.point == pytest.approx(found.profit.point - found.campaigns_shrunken.point)
    assert (found.since, found.until) == (date(2026, 1, 5), date(2026, 7, 1))


def test_no_date_reads_the_holdout_or_a_campaign_behind_the_receipts() -> None:
    frames = draw(holdout=True)
    receipts = frames["transactions"]
    short = {**frames, "transactions": receipts[receipts.occurred_at < at(15 * 6)]}
    plain, later = (read(short, plans=[Plan("K00")], as_of=as_of) for as_of in (None, datetime(2031, 1, 1)))
    assert later.as_of == plain.as_of == at(15 * 5 + 6)
    assert later.holdout == plain.holdout and later.holdout.until == at(15 * 5 + 6).date()
    assert {out.reason for out in later.left_out} == {"window_open"}
    assert {line.campaign_id for line in later.campaigns} == {f"K{k:02d}" for k in range(5)}


def test_two_holdouts_of_one_business_are_refused() -> None:
    other = HOLDOUT.model_copy(update={"share": 0.1})
    with pytest.raises(DataError, match="2 different universal holdouts"):
        read(draw(holdout=True), plans=[Plan("K00"), Plan("K01", holdout=other)])


def test_the_verb_writes_four_files_once_and_names_them_again(tmp_path) -> None:
    config = make_retailer(tmp_path, customers=700)
    study = tmp_path / "study.yaml"
    study.write_text("question: does it hold?\n", encoding="utf-8")
    request = PortfolioRequest(language="en")
    asked = {"plans": [study], "progress": Silent(), "now": datetime(2026, 11, 22), "lock_timeout": 0.0}
    first = make_portfolio(load(config), request, **asked)
    again = make_portfolio(load(config), request, **asked)
    assert (first.written, again.written) == (True, False)
    assert first.digests == again.digests and first.lines == again.lines
    assert {path.name for path in Path(first.path).iterdir()} == {*FILES.values(), "manifest.json"}
    assert first.portfolio["schema_version"] == 1
    assert "All campaigns: demo" in first.to_text()
