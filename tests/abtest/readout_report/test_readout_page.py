import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from readout_example import EVIL, EXAMPLES, make_readout

from netlift.abtest.readout_report.headline import write_headline
from netlift.abtest.readout_report.page import readout_brief, readout_document, readout_json
from netlift.abtest.readout_report.sentences import ReadoutWords
from netlift.report.exports import to_html, to_json, to_markdown, to_text
from netlift.report.language import speak
from netlift.scorecards.campaign_effects import read_readouts

pytestmark = pytest.mark.slow
RU, EN = speak("ru"), speak("en")
NOT_ON_PAGE_ONE = {
    "en": ("significan", "p-value", "cuped", "lift"),
    "ru": ("значим", "p-значени", "лифт", "cuped", "p-value"),
}
LATIN_BY_NATURE = {"ROI", "RUB"}


class Seen(HTMLParser):
    """Text of a page by section, its tags and attributes; style left out."""

    def __init__(self, page):
        super().__init__()
        self.sections, self.tags, self.attributes, self.now, self.skipped = {"": ""}, [], [], "", False
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        self.skipped = tag == "style"
        if tag == "section":
            self.now = dict(attrs)["id"]
            self.sections[self.now] = ""
        if tag == "figure":
            self.sections[self.now] += f" {dict(attrs)['aria-label']} "

    def handle_endtag(self, tag):
        if tag == "style":
            self.skipped = False

    def handle_data(self, data):
        if not self.skipped:
            self.sections[self.now] += data


def see(readout, words):
    return Seen(to_html(readout_document(readout, words)).decode())


@pytest.mark.parametrize("language", ["ru", "en"])
@pytest.mark.parametrize("name", ["probably", "blocked", "observational", "six_arms", "outside", "looks"])
def test_page_one_speaks_of_money_and_not_of_statistics(name, language):
    sections = see(EXAMPLES[name](), speak(language)).sections
    assert list(sections)[-1] == "appendix"
    first = " ".join(text for section, text in sections.items() if section != "appendix")
    first = first.replace(RU.say("readout.appendix"), "").casefold()
    for word in NOT_ON_PAGE_ONE[language]:
        assert word not in first


def test_the_page_is_read_in_the_order_of_questions():
    names = [name for name in see(make_readout(), RU).sections if name]
    wanted = "verdict money sure arms time responders trust rollout assumptions appendix"
    assert names == wanted.split()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("made_money", "This campaign made money."),
        ("lost_money", "This campaign lost money."),
        ("probably", "This campaign probably made money."),
        ("no_effect", "This campaign changed the profit next to nothing."),
        ("cannot_tell", "It cannot be told yet whether this campaign made money."),
        ("blocked", "No verdict yet: the data must be put right first."),
        ("observational", "No verdict: the control group was not drawn by chance."),
    ],
)
def test_each_step_of_the_ladder_has_its_sentence_and_says_what_to_do(name, said):
    found = replace(EXAMPLES[name](), after_window=None)  # of the window alone
    banner = write_headline(found, ReadoutWords(words=EN, currency="RUB")).banner
    assert banner.title == said
    assert banner.lines[-1].startswith("What to do: ") and banner.tone


def test_a_loss_that_is_probable_is_said_unless_the_days_after_make_up_for_it():
    found = replace(EXAMPLES["cannot_tell"](), after_window=None)
    say = ReadoutWords(words=EN, currency="RUB")
    faint = {"chance_of_profit": 0.03, "chance_among_campaigns": 0.04, "expected_loss_if_stopped": 0.0}
    for changed, told in (
        ({}, True),
        ({"chance_among_campaigns": 0.4}, False),
        ({"expected_loss_if_stopped": 1e9}, False),
    ):
        banner = write_headline(replace(found, verdict=replace(found.verdict, **faint | changed)), say).banner
        assert (banner.title == "This campaign probably lost money.") == told
        assert (banner.tone == "bad") == told
        assert ("Not proven is not the same as no effect." in banner.lines) != told
    later = EXAMPLES["made_money"]().after_window
    recovered = replace(later, verdict=replace(later.verdict, chance_of_profit=0.6))
    banner = write_headline(replace(found, verdict=replace(found.verdict, **faint), after_window=recovered), say).banner
    assert banner.title == "It cannot be told yet whether this campaign made money."


def test_how_sure_is_said_as_a_probability_and_never_as_certain():
    say = ReadoutWords(words=EN, currency="RUB")
    found = EXAMPLES["probably"]()
    start = "The probability that the campaign is profitable is"
    assert f"{start} 97%." in write_headline(found, say).banner.lines
    for chance, said in ((0.9999, "more than 99%"), (0.0001, "less than 1%"), (0.5, "50%")):
        verdict = replace(found.verdict, chance_of_profit=chance)
        assert f"{start} {said}." in write_headline(replace(found, verdict=verdict), say).banner.lines
    verdict = replace(found.verdict, chance_of_profit=0.91)
    lines = write_headline(replace(found, verdict=verdict), ReadoutWords(words=RU, currency="RUB")).banner.lines
    assert "Вероятность, что кампания прибыльна, — 91\xa0%." in lines


def test_money_on_page_one_is_in_thousands_with_the_level_said_once():
    found = EXAMPLES["probably"]()
    lines = write_headline(found, ReadoutWords(words=RU, currency="RUB")).banner.lines
    assert lines[0].startswith("Прибыль: около 211\xa0тыс.\xa0₽ (95\xa0%: от ") and lines[0].endswith("на клиента.")
    assert sum(line.count("95\xa0%") for line in lines) == 1


def test_not_proven_is_not_no_effect_and_how_many_more_customers_are_needed_is_said():
    found = EXAMPLES["cannot_tell"]()
    lines = write_headline(found, ReadoutWords(words=EN, currency="RUB")).banner.lines
    assert "Not proven is not the same as no effect." in lines
    assert lines[-1] == "What to do: keep testing (about 42,000 customers more)."


def test_what_came_after_the_window_stands_in_the_verdict_where_it_could_turn_it():
    found = EXAMPLES["made_money"]()
    say = ReadoutWords(words=EN, currency="RUB")
    (said,) = [line for line in write_headline(found, say).banner.lines if line.startswith("With the 14 days after")]
    assert "−RUB" in said and "the probability that the campaign is profitable" in said
    same = replace(found.after_window, net=found.profit, verdict=found.verdict)
    head = write_headline(replace(found, after_window=same), say)
    assert not [line for line in head.banner.lines if "after the window" in line]
    assert head.banner.title == "This campaign made money."
    unclear = replace(found.after_window.verdict, code="cannot_tell_yet")
    taken = write_headline(replace(found, after_window=replace(found.after_window, verdict=unclear)), say).banner
    assert taken.title.startswith("In its window") and taken.tone == "warn"


def test_advice_names_what_to_do_with_every_arm_the_limits_of_a_run_and_who_is_best_by_what():
    found = EXAMPLES["six_arms"]()
    head = write_headline(found, ReadoutWords(words=EN, currency="RUB"))
    do = next(line for line in head.banner.lines if line.startswith("What to do"))
    text = see(found, EN).sections["verdict"]
    for one in found.advice:
        assert one.arm in text and f"“{one.arm}”" in do
    assert "a run has room for 300 of 100,000 customers (limit: calls)" in text
    assert "in total and per customer" in text and "with the days after: 80%" in text
    best = next(one.arm for one in found.advice if one.arm != found.best_arm)
    advice = tuple(replace(one, expected=1e6) for one in found.advice)
    other = replace(found, best_in_total=best, advice=advice)
    lines = write_headline(other, ReadoutWords(words=EN, currency="RUB")).banner.lines
    line = next(line for line in lines if line.startswith("Per customer"))
    assert f"“{found.best_arm}” earns most" in line and f"“{other.best_in_total}” (forecast" in line


def test_segments_stand_with_the_remainder_that_makes_them_the_profit_of_the_arm():
    text = see(make_readout(), EN).sections["responders"]
    for key in ("remainder", "fixed_row", "profit_row"):
        assert EN.say(f"readout.{key}") in text


def test_a_blocked_readout_says_why_first_and_still_shows_the_numbers():
    found = EXAMPLES["blocked"]()
    head = write_headline(found, ReadoutWords(words=EN, currency="RUB"))
    assert head.banner.lines[0].startswith("Not so: “Customers split as planned”.")
    assert "less than 0.01%" in head.banner.lines[0]
    page = see(found, EN).sections
    text = page["verdict"] + page["money"]
    assert head.shown(head.cards[0].cell) in text and "probability that" not in text


def test_an_observational_readout_says_so_everywhere_and_claims_no_chance():
    found = EXAMPLES["observational"]()
    notice = RU.say("readout.observational_notice")
    page, document = see(found, RU), readout_document(found, RU)
    assert notice in page.sections[""]
    assert notice in to_markdown(document).decode() and notice in to_text(readout_brief(found, RU))
    assert readout_json(found, RU)["observational"] is True
    assert "Вероятность, что" not in page.sections["verdict"]


@pytest.mark.parametrize("kind", ["outside", "all", "saves_cost"])
def test_a_return_that_is_not_defined_is_said_in_words_and_never_as_a_number(kind):
    found = EXAMPLES[kind]()
    text = see(found, EN).sections["money"]
    assert (
        EN.say(f"readout_roi_said.{kind}") in text and "%" not in text.split("ROI")[1].split("Everything is counted")[0]
    )
    assert readout_json(found, EN)["roi"] is None


def test_no_money_at_all_is_said_without_a_range():
    page = see(EXAMPLES["zero_money"](), EN).sections
    text = page["verdict"] + page["money"]
    assert "Profit: RUB\xa00." in text and "There is no extra cost" in text and "probability that" not in text


@pytest.mark.parametrize("language", ["ru", "en"])
def test_every_example_is_written_in_one_language(language):
    for name in ("probably", "blocked", "observational", "six_arms", "zero_money", "outside", "cannot_tell"):
        page = see(replace(EXAMPLES[name](), name="7", hypothesis="", segments=()), speak(language))
        text = " ".join(page.sections.values())
        assert bool(re.search("[а-яё]", text, re.I)) == (language == "ru"), name
        assert "readout_" not in text and "None" not in text and "nan" not in text.casefold(), name


def test_names_that_would_do_harm_are_shown_as_the_text_they_are():
    found = EXAMPLES["evil"]()
    page = see(found, RU)
    assert not {"script", "img", "iframe", "a:href"} & set(page.tags)
    text = "".join(page.sections.values())
    for name in EVIL[:5]:
        assert name in text
    assert not [value for name, value in page.attributes if name in ("href", "src") and not value.startswith("#")]
    for out in (text, to_markdown(readout_document(found, RU)).decode(), to_text(readout_brief(found, RU))):
        assert not set("\u202e\x1b\x00") & set(out)


def test_markdown_holds_no_tag_link_or_picture_of_a_name():
    text = to_markdown(readout_document(EXAMPLES["evil"](), RU)).decode()
    assert "<script" not in text and not re.search(r"(?<!\\)\[", text)
    assert all(line.endswith("|") for line in text.splitlines() if line.startswith("|"))


def test_two_arms_with_the_same_beginning_stay_two_in_the_charts():
    from netlift.abtest.readout_report.figures import short_names

    names = ["a" * 60 + str(i) for i in range(12)]
    assert len(set(short_names(names).values())) == 12


def test_every_segment_is_in_the_table_and_each_split_says_whether_it_differs():
    text = see(EXAMPLES["thirty_segments"](), EN).sections["responders"]
    assert all(f"Магазин № {i} на" in text for i in range(1, 31))
    assert "the differences between segments are within chance" in text
    assert EN.say("readout.exploratory") in see(make_readout(), EN).sections["responders"]


def test_the_same_readout_gives_the_same_page():
    first, again = (to_html(readout_document(EXAMPLES["looks"](), RU)) for _ in range(2))
    assert first == again


def test_the_json_is_what_the_scorecard_reads(tmp_path):
    found = make_readout()
    path = tmp_path / "readout.json"
    path.write_bytes(to_json(readout_json(found, RU)))
    read = read_readouts([path])[0]
    assert (read.campaign_id, read.month.isoformat()) == ("C07", "2026-09-01")
    assert read.incremental_profit.point == found.profit.point and read.incremental_cost == found.roi.cost.point
    assert (read.roi.point, read.roi.ci_lower) == (found.roi.point, found.roi.lower)
    whole = json.loads(path.read_bytes())
    assert whole["schema_version"] == 1
    assert whole["readout"]["arms"][0]["money"][-1]["total"]["point"] == found.arms[0].profit.point


def test_the_terminal_shows_one_screen():
    assert len(to_text(readout_brief(make_readout(), RU)).splitlines()) < 44
