import math
import re
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlift.config.segments import SEGMENTS
from netlift.data.contract import CONTRACT
from netlift.errors import ConfigError, UsageError
from netlift.report import language as module
from netlift.report.language import LANGUAGES, PLURALS, Words, load_texts, placeholders, speak
from netlift.segments.metrics import METRICS, MONEY_FIRST

RU, EN = (speak(language) for language in ("ru", "en"))
TEXTS = load_texts()


def forms(key, language):
    text = TEXTS[key][language]
    return [text] if isinstance(text, str) else list(text.values())


def test_every_text_is_in_every_language_with_the_same_placeholders_and_whole_plural_forms():
    assert TEXTS
    for key, text in TEXTS.items():
        assert set(text) == set(LANGUAGES), key
        assert len({placeholders(form) for form in text.values()}) == 1, key
        for language, form in text.items():
            assert isinstance(form, str) or set(form) == set(PLURALS[language]), key


def test_no_text_is_empty_and_russian_is_russian():
    latin_by_nature = {"metric.nps", "metric.csi", "metric.ltv_to_cac", "chart.loyalty", "channel.sms"}
    assert TEXTS
    for key in TEXTS:
        for language in LANGUAGES:
            assert all(form.strip() for form in forms(key, language)), key
        cyrillic = [bool(re.search("[а-яё]", form, re.I)) for form in forms(key, "ru")]
        assert all(cyrillic) or key in latin_by_nature or key == "change.score", key
        assert not any(re.search("[а-яё]", form, re.I) for form in forms(key, "en")), key


@pytest.mark.parametrize("family", ["metric", "definition"])
def test_every_figure_has_a_name_and_a_definition(family):
    assert {metric.name for metric in METRICS} == {key.split(".")[1] for key in TEXTS if key.startswith(f"{family}.")}


def test_segments_tables_and_money_have_their_words():
    for name in SEGMENTS:
        assert RU.has(f"segment.{name}"), name
    for name in CONTRACT:
        assert RU.has(f"table.{name}"), name
    for name in MONEY_FIRST:
        assert RU.has(f"highlight.{name}"), name


def test_every_reason_in_the_code_has_its_words():
    source = (module.TEXTS.parents[1] / "segments" / "metrics.py").read_text()
    named = set(re.findall(r'"((?:no|not|nobody|by)_?[a-z_]*)"', source)) - {"not_given"}
    built = {f"no_{source}" for source in ("ltv", "churn", "churn_rule", "silence", "contact_cost", "reward_cost")}
    assert named and built
    for reason in (named | built) - {"by"}:
        assert RU.has(f"absent.{reason}"), reason


@pytest.mark.parametrize(
    ("n", "shown"),
    [
        (1, "1 клиент"),
        (2, "2 клиента"),
        (5, "5 клиентов"),
        (11, "11 клиентов"),
        (21, "21 клиент"),
        (112, "112 клиентов"),
        (1004, "1\xa0004 клиента"),
    ],
)
def test_russian_nouns_agree_with_their_numbers(n, shown):
    assert RU.count("noun.customers", n) == shown


def test_numbers_are_written_as_the_language_does():
    assert RU.money(1234567.5, "RUB") == "1\xa0234\xa0568\xa0₽" and EN.money(-1234.4, "RUB") == "−RUB\xa01,234"
    assert EN.money(0.5, "USD", digits=2) == "$0.50" and RU.money(0.5, "EUR", digits=2) == "0,50\xa0€"
    assert RU.share(0.12346, digits=2) == "12,35\xa0%" and EN.share(0.5, signed=True) == "+50.0%"
    assert RU.number(-0.04, digits=1) == "0,0" and EN.number(1234.5, digits=1) == "1,234.5"
    assert RU.month(date(2026, 9, 1)) == "сентябрь 2026" and EN.day(date(2026, 9, 5)) == "5 September 2026"


@given(st.floats(-1e12, 1e12), st.integers(0, 3))
def test_a_number_read_back_is_the_number_to_its_digits(value, digits):
    for words, point, group in ((RU, ",", "\xa0"), (EN, ".", ",")):
        text = words.number(value, digits=digits).replace(group, "").replace(point, ".").replace("−", "-")
        assert float(text) == pytest.approx(value, abs=0.5000001 * 10**-digits + 4 * math.ulp(value))


@pytest.mark.parametrize(
    ("value", "ru", "en"),
    [
        (12, "12,00\xa0₽", "RUB\xa012.00"),
        (-999.6, "−1,0\xa0тыс.\xa0₽", "−RUB\xa01.0k"),
        (48_200, "48\xa0тыс.\xa0₽", "RUB\xa048k"),
        (999_600, "1,00\xa0млн\xa0₽", "RUB\xa01.00M"),
        (2.5e9, "2,50\xa0млрд\xa0₽", "RUB\xa02.50bn"),
    ],
)
def test_money_is_said_in_thousands_and_millions(value, ru, en):
    assert (RU.short_money(value, "RUB"), EN.short_money(value, "RUB")) == (ru, en)


def test_money_and_its_ends_share_one_unit():
    assert EN.about(52_000, -1.2e6, 1.3e6, "RUB") == "about RUB\xa052k (−1,200k to 1,300k)"
    assert (
        RU.about(0.9e6, -0.2e6, 2e6, "RUB", level=0.9)
        == "около 900\xa0тыс.\xa0₽ (90\xa0%: от −200 до 2\xa0000\xa0тыс.)"
    )
    assert RU.about(-3.2, -8.5, 2, "RUB") == "около −3,20\xa0₽ (от −8,50 до 2,00)"


@given(st.floats(-1e11, 1e11))
def test_short_money_is_the_money_to_a_part_in_twenty(value):
    text = EN.short_money(value, "USD")
    unit = {"k": 1e3, "M": 1e6, "n": 1e9}.get(text[-1], 1.0)
    number = float(text.replace("−", "-").replace("$", "").rstrip("kMbn").replace(",", ""))
    assert number * unit == pytest.approx(value, rel=0.06, abs=0.006)


def test_a_name_nobody_knows_is_said_as_it_is():
    assert RU.name("segment", "<script>") == "<script>"


def test_a_missing_text_or_a_wrong_call_is_a_defect_that_names_the_key():
    with pytest.raises(KeyError, match=r"metric\.margn.*did you mean metric\.margin"):
        RU.say("metric.margn")
    with pytest.raises(KeyError, match="counted"):
        RU.say("noun.customers")
    with pytest.raises(KeyError, match="business"):
        RU.say("scorecard.title")


def test_a_language_netlift_does_not_speak_is_refused():
    with pytest.raises(UsageError, match="--lang de"):
        speak("de")


def test_texts_that_are_not_whole_are_refused_all_at_once(tmp_path, monkeypatch):
    (tmp_path / "a.yaml").write_text(
        "x:\n  one: {ru: да}\n  two: {ru: '{a}', en: '{b}'}\n  many: {ru: {one: a}, en: b}\n", encoding="utf-8"
    )
    monkeypatch.setattr(module, "TEXTS", tmp_path)
    load_texts.cache_clear()
    try:
        with pytest.raises(ConfigError) as refused:
            Words(language="en").say("x.one")
        for part in ("x.one: is in ru", "x.two: the languages have different", "x.many: ru has the forms one"):
            assert part in str(refused.value)
    finally:
        monkeypatch.undo()
        load_texts.cache_clear()
