"""The same campaign on every page and in every file: one figure for one thing, and it is said which is which.

A readout speaks of a campaign by itself, and so does the portfolio's column "by itself"; the portfolio's own figure is
that among all campaigns, which the readout repeats under `among`. The scorecard's month is the sum of its campaigns'
readouts, with a normal interval.
"""

from __future__ import annotations

import html
import io
import re
import zipfile
from datetime import UTC, date, datetime
from pathlib import Path
from statistics import NormalDist

import pytest
from segment_world import make_champions, make_retailer, write_config

from netlift.config.business import load
from netlift.pipelines import scorecard
from netlift.pipelines.portfolio import PortfolioRequest, make_portfolio
from netlift.pipelines.readout import ReadoutOrder, make_readout
from netlift.pipelines.scorecard import Request, make_scorecard
from netlift.progress import Silent
from netlift.report.language import speak
from netlift.scorecards.campaign_effects import find_readouts

pytestmark = pytest.mark.slow

ASKED = {"progress": Silent(), "now": datetime(2026, 10, 1, 6, tzinfo=UTC), "lock_timeout": 0.0}
LANGUAGES = ("ru", "en")
CLOSE = {"rel": 1e-9}


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A shop small enough to read at once, whose campaigns are all worth reading."""
    folder = tmp_path_factory.mktemp("one")
    make_retailer(folder, customers=1200)
    path = write_config(folder, lambda content: content["readout"].update(segments=[]))
    settings = load(path)
    portfolios = {
        language: make_portfolio(settings, PortfolioRequest(language=language), plans=(), **ASKED)
        for language in LANGUAGES
    }
    return settings, portfolios


@pytest.fixture(scope="module")
def readouts(shop):
    """The readouts of the best campaign in Russian and of the worst in English."""
    settings, portfolios = shop
    lines = portfolios["ru"].portfolio["campaigns"]
    chosen = dict(zip(LANGUAGES, (lines[0]["campaign_id"], lines[-1]["campaign_id"]), strict=True))
    return [
        make_readout(settings, ReadoutOrder(target=campaign, language=language), **ASKED)
        for language, campaign in chosen.items()
    ]


def line_of(portfolio, campaign):
    return next(line for line in portfolio.portfolio["campaigns"] if line["campaign_id"] == campaign)


def numbers(estimate):
    return [estimate[name] for name in ("point", "ci_lower", "ci_upper")]


def printed(words, estimate, currency="RUB"):
    """Money and interval as any page prints them: to the rouble, or in thousands and millions."""
    point, lower, upper = numbers(estimate)
    full = words.say("cell.interval", lower=words.number(lower), upper=words.number(upper))
    return {(words.money(point, currency), full), words.about_parts(point, lower, upper, currency)}


def texts_of(folder):
    """Name of each file of a run to what a reader sees in it."""
    found = {}
    for path in Path(folder).iterdir():
        if path.suffix == ".html":
            found[path.suffix] = html.unescape(re.sub(r"<[^>]+>", " ", path.read_text(encoding="utf-8")))
        elif path.suffix == ".md":
            found[path.suffix] = path.read_text(encoding="utf-8")
        elif path.suffix in (".pptx", ".xlsx"):
            with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as archive:
                names = [name for name in archive.namelist() if name.endswith(".xml")]
                found[path.suffix] = html.unescape(
                    " ".join(re.sub(r"<[^>]+>", " ", archive.read(name).decode()) for name in names)
                )
    return found


def test_a_readout_and_the_portfolio_compute_the_same_of_a_campaign_by_itself_and_among_all(shop, readouts):
    _, portfolios = shop
    assert len(portfolios["ru"].portfolio["campaigns"]) >= 10, "so many that luck can be taken out"
    for run in readouts:
        readout = run.readout["readout"]
        line = line_of(portfolios[run.language], readout["campaign_id"])
        assert numbers(line["raw"]) == pytest.approx(numbers(readout["profit"]), **CLOSE)
        assert line["chance_by_itself"] == pytest.approx(readout["verdict"]["chance_of_profit"], **CLOSE)
        assert numbers(line["shrunken"]) == pytest.approx(numbers(readout["among"]["profit"]), **CLOSE)
        assert line["chance_of_profit"] == pytest.approx(readout["among"]["chance_of_profit"], **CLOSE)
        arms = portfolios[run.language].portfolio["arms"]
        shown = {arm["arm"]: arm["raw"]["point"] for arm in arms if arm["campaign_id"] == readout["campaign_id"]}
        own = {arm["arm"]: arm["profit"]["point"] for arm in readout["arms"]}
        assert shown == pytest.approx(own, **CLOSE)


def test_every_file_of_a_readout_prints_its_profit_its_interval_and_its_probability(readouts):
    assert readouts
    for run in readouts:
        words, texts, readout = speak(run.language), texts_of(run.path), run.readout["readout"]
        campaign = readout["campaign_id"]
        assert set(texts) == {".html", ".md", ".pptx", ".xlsx"}
        either = printed(words, readout["profit"])
        chance = words.share(readout["verdict"]["chance_of_profit"], digits=0)
        for suffix, text in texts.items():
            assert any(money in text and interval in text for money, interval in either), (campaign, suffix, either)
            assert chance.rstrip("%\xa0") in text, (campaign, suffix, chance)
        assert any(money in run.text and interval in run.text for money, interval in either)


def test_every_file_of_the_portfolio_prints_the_figures_of_the_campaign_page_and_says_which_they_are(shop, readouts):
    _, portfolios = shop
    assert readouts
    for run in readouts:
        words, texts, readout = speak(run.language), texts_of(portfolios[run.language].path), run.readout["readout"]
        assert set(texts) == {".html", ".md", ".xlsx"}
        heads = words.say("portfolio.column.campaign"), words.say("portfolio.column.shrunken")
        rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in texts[".md"].splitlines()]
        head = next(row for row in rows if tuple(row[:2]) == heads)
        named = dict(zip(head, next(row for row in rows if row[0].startswith(readout["campaign_id"])), strict=True))
        among = readout["among"]
        for column, estimate in (("raw", readout["profit"]), ("shrunken", among["profit"])):
            shown = named[words.say(f"portfolio.column.{column}")]
            assert any(shown == f"{money} ({interval})" for money, interval in printed(words, estimate))
        for column, chance in (("by_itself", readout["verdict"]), ("chance", among)):
            shown = named[words.say(f"portfolio.column.{column}")]
            assert shown == words.share(chance["chance_of_profit"], digits=0)
        for suffix in (".html", ".xlsx"):
            for column in ("raw", "by_itself", "shrunken", "chance"):
                assert words.say(f"portfolio.column.{column}") in texts[suffix]
        assert any(
            money in texts[".html"] and ends in texts[".html"] for money, ends in printed(words, readout["profit"])
        )
        assert words.say("portfolio.by_itself_text") in texts[".html"]


def test_the_scorecard_of_a_month_is_the_sum_of_its_readouts(shop, readouts):
    settings, _ = shop
    first, last = (date.fromisoformat(f"{end([own.readout['month'] for own in readouts])}-01") for end in (min, max))
    span = 12 * (last.year - first.year) + last.month - first.month + 1
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scorecard, "find_champions", lambda *_: make_champions())
        files = find_readouts(settings.state, Path("nowhere"))
        run = make_scorecard(settings, Request(months=span, until=last, language="ru"), readouts=files, **ASKED)
    months: dict[str, list] = {}
    for own in readouts:
        months.setdefault(own.readout["month"], []).append(own.readout["incremental_profit"])
        assert numbers(own.readout["incremental_profit"]) == numbers(own.readout["readout"]["profit"])
    rows = run.scorecard["figures"]["rows"]
    shown = {row["month"]: row for row in rows if (row["segment"], row["metric"]) == ("(all)", "incremental_profit")}
    z = NormalDist().inv_cdf(0.975)
    for month, own in months.items():
        row = next(row for when, row in shown.items() if when.startswith(month))
        assert row["value"] == pytest.approx(sum(estimate["point"] for estimate in own), **CLOSE)
        errors = [(estimate["ci_upper"] - estimate["ci_lower"]) / 2 / z for estimate in own]
        assert row["ci_upper"] - row["value"] == pytest.approx(z * sum(error**2 for error in errors) ** 0.5, **CLOSE)
        assert row["method"] == "sum over campaigns, normal interval", "what differs from the readout's is named"
    newest = max(months)
    text = (Path(run.path) / "scorecard.md").read_text(encoding="utf-8")
    value = next(row["value"] for when, row in shown.items() if when.startswith(newest))
    assert speak("ru").money(value, "RUB") in text or speak("ru").short_money(value, "RUB") in text
