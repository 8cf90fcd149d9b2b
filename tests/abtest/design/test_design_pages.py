"""The page of a design: written whole, the same figures in every form and language, and money as the rows say."""

from __future__ import annotations

import json
import re

import pytest
import yaml
from campaign_world import make_world, run_design

from netlift.abtest.design.power import Spread
from netlift.abtest.design.sizing import Setup, measure, profit_proven
from netlift.errors import GateRefusedError
from netlift.report.language import load_texts, speak

pytestmark = pytest.mark.slow

EVIL = "=HYPERLINK(1)<script>alert(1)</script>|x"
NAMES = {"offers": {"sms_bonus": {"ru": "Бонус по СМС", "en": "Bonus by text"}}}


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    config = make_world(tmp_path_factory.mktemp("shop"))
    content = yaml.safe_load(config.read_text(encoding="utf-8"))
    config.write_text(yaml.safe_dump({**content, "names": NAMES}, allow_unicode=True), encoding="utf-8")
    return config


@pytest.fixture(scope="module")
def rewarded(shop):
    """A design with rewards and a fixed cost."""
    return run_design(shop, slug="rewarded", expected=9.0, fixed_cost=100.0, reward={"": 2.0}).design


def folder_of(run):
    from pathlib import Path

    return Path(run.pages)


def test_the_pages_stand_whole_beside_the_plan_and_again_the_same(shop):
    first = run_design(shop, slug="pages", expected=9.0)
    folder = folder_of(first)
    names = {"design.html", "design.json", "design.md", "design.xlsx", "manifest.json"}
    assert folder.name == "pages-en" and {path.name for path in folder.iterdir()} == names
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    again = run_design(shop, slug="pages", expected=9.0)
    assert first.written and not again.written and again.pages == first.pages
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert "The same plan stood already" in again.to_text() and "Written: " in first.to_text()
    russian = run_design(shop, slug="pages", expected=9.0, language="ru")
    assert folder_of(russian).name == "pages-ru" and russian.design.plan == first.design.plan
    (folder / "design.html").write_text("<p>a better plan</p>")
    with pytest.raises(GateRefusedError, match=r"design\.html is not what was written"):
        run_design(shop, slug="pages", expected=9.0)


def test_a_design_without_a_plan_has_a_page_that_says_so(shop):
    run = run_design(shop, slug="none", control_share=None, expected=0.5, chance=0.9)
    page = (folder_of(run) / "design.html").read_text()
    assert "No plan was written" in page and not (shop.parent / "experiments/none").exists()
    other = run_design(shop, slug="none", control_share=None, expected=0.4, chance=0.9)
    assert folder_of(other).name.startswith("none-en-anew-"), "another question, another page"


@pytest.mark.parametrize("language", ["ru", "en"])
def test_every_form_says_the_same_in_its_language_and_names_offers_as_the_business_does(shop, language):
    words = speak(language)
    run = run_design(shop, slug=f"said-{language}", expected=2.5, fixed_cost=100.0, reward={"": 2.0}, language=language)
    design, folder = run.design, folder_of(run)
    page = re.sub("<style>.*?</style>", "", (folder / "design.html").read_text(), flags=re.DOTALL)
    text = (folder / "design.md").read_text()
    saved = json.loads((folder / "design.json").read_text())
    assert saved["chosen"]["control"] == design.chosen.control and saved["plan"]["arms"][0]["offer_id"] == "sms_bonus"
    shown = [
        words.number(design.chosen.control),
        words.share(design.chosen.chance, digits=0),
        words.short_money(design.outlay, "EUR"),
        words.short_money(design.chosen.holdout_cost, "EUR"),
        NAMES["offers"]["sms_bonus"][language],
    ]
    for figure in shown:
        assert figure in page and figure in text and figure in run.to_text()
    assert "sms_bonus" not in page.replace("sms_bonus</", "") and "sms_bonus" not in text
    assert not re.search(r"[{}]|\bnan\b|None", page)
    foreign = "[А-Яа-яё]" if language == "en" else r"\b(the|customers|control|profit)\b"
    assert not re.search(foreign, text.replace("A bonus brings sleepers back", ""))


def test_what_it_may_lose_is_what_contacts_and_rewards_of_the_treated_take(rewarded):
    treated = rewarded.chosen.customers - rewarded.chosen.control
    each = 4.5 + 2.0 * rewarded.past.buyers / rewarded.past.customers
    assert rewarded.outlay == pytest.approx(treated * each + 100.0)


def test_the_profit_that_is_proved_has_the_chance_asked_for_and_more_profit_more_chance(rewarded):
    assert rewarded.provable.chance == pytest.approx(0.8, abs=1e-6)
    chances = [row.chance for row in rewarded.power]
    assert chances == sorted(chances) and chances[0] < 0.05 < 0.95 < chances[-1]
    treated = rewarded.chosen.customers - rewarded.chosen.control
    assert rewarded.power[-1].total == pytest.approx(rewarded.power[-1].expected * treated - 100.0)


@pytest.mark.parametrize("chance", [0.5, 0.8, 0.95])
def test_the_smallest_profit_proved_is_where_the_chance_is_met(chance):
    setup = Setup(spread=Spread(sd=30.0, skewness=4.0), weights={"a": 0.5, "b": 0.5}, level=0.98, fixed_cost=500.0)
    size = {"customers": 20_000, "control_share": 0.2}
    profit = profit_proven(setup, chance=chance, **size)
    at = Setup(**{**setup.__dict__, "expected": profit})
    assert measure(at, **size).chance == pytest.approx(chance, abs=1e-6)


def test_names_that_would_do_harm_are_shown_as_the_text_they_are(shop):
    run = run_design(shop, slug="evil", name=EVIL, hypothesis=EVIL, expected=9.0)
    page = (folder_of(run) / "design.html").read_text()
    assert "<script" not in page and "alert(1)" in page
    assert b"<f>" not in (folder_of(run) / "design.xlsx").read_bytes()


def test_every_text_of_the_page_is_said_somewhere():
    from pathlib import Path

    from netlift.abtest import design

    rooms = Path(design.__file__).parents[2]
    files = [
        *rooms.glob("abtest/design/*.py"),
        *rooms.glob("abtest/assignment/*.py"),
        rooms / "pipelines" / "design.py",
    ]
    used = "".join(path.read_text() for path in files)
    keys = [key for key in load_texts() if key.startswith("design.") and key.split(".")[1] not in ("step", "lean")]
    assert [key for key in keys if f'{key.split(".")[-1]}"' not in used] == []
