"""Texts in Russian and English: keys, plural forms and number formats.

The texts stand in `texts/*.yaml`, one file per subject, every text in all languages side by side:

    metric:
      margin: {ru: Маржа, en: Margin}

A text may hold placeholders in braces, and is a mapping of plural forms where a counted noun needs them.
"""

from __future__ import annotations

import copy
import string
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from netlift.config.settings import did_you_mean, read_yaml
from netlift.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from babel import Locale

Language = Literal["ru", "en"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
TEXTS = Path(__file__).parent / "texts"
PLURALS: Mapping[str, tuple[str, ...]] = {"ru": ("one", "few", "many", "other"), "en": ("one", "other")}
SIGN_OF_GAIN, MINUS = "+", "\u2212"
SURE = 0.99

Text = str | Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Words:
    r"""One language.

    Attributes:
        language: Its code.
        names: What the business calls its own things, by `family.id`; they go before the texts.

    Examples:
        >>> ru, en = Words(language="ru"), Words(language="en")
        >>> ru.say("metric.average_receipt"), en.say("metric.average_receipt")
        ('Средний чек', 'Average receipt')
        >>> ru.count("noun.customers", 21), ru.count("noun.customers", 1200)
        ('21 клиент', '1\xa0200 клиентов')
        >>> ru.money(-1234.5, "RUB"), ru.share(0.1234), en.money(1234.5, "EUR")
        ('−1\xa0234\xa0₽', '12,3\xa0%', '€1,234')
    """

    language: Language
    names: Mapping[str, str] = field(default_factory=dict, hash=False)

    def with_names(self, names: Mapping[str, str]) -> Words:
        """The same words, and what a business calls its own things.

        Examples:
            >>> Words(language="en").with_names({"offer.sms_300": "300 points by SMS"}).name("offer", "sms_300")
            '300 points by SMS'
        """
        return replace(self, names={**self.names, **names})

    def say(self, key: str, /, **values: str) -> str:
        """The text of a key with its placeholders filled.

        Raises:
            KeyError: No such text, or a placeholder without its value: a defect of the caller.
        """
        text = self._text(key)
        if not isinstance(text, str):
            raise KeyError(f"{key} is counted: call count")
        return text.format(**values)

    def has(self, key: str) -> bool:
        """Whether there is a text of that key."""
        return key in load_texts()

    def name(self, family: str, name: str) -> str:
        """What a thing is called: by the business, else by its text where there is one, else as it was given.

        Examples:
            >>> Words(language="ru").name("segment", "champions"), Words(language="ru").name("segment", "VIP")
            ('Чемпионы', 'VIP')
        """
        key = f"{family}.{name}"
        if key in self.names:
            return self.names[key]
        return self.say(key) if self.has(key) else name

    def value(self, attribute: str, value: str) -> str:
        """What a value of an attribute is called; value segments and strategies have names of their own.

        Examples:
            >>> Words(language="en").value("segment", "champions"), Words(language="en").value("region", "")
            ('Champions', 'not given')
        """
        if not value:
            return self.say("cell.unknown")
        return self.name(attribute if attribute in ("segment", "strategy") else f"value.{attribute}", value)

    def count(self, key: str, n: float, /) -> str:
        """A number and the noun that it counts, in the noun's right form."""
        return f"{self.number(n)} {self.noun(key, n)}"

    def noun(self, key: str, n: float, /) -> str:
        """The form of a counted noun that goes with a number."""
        forms = self._text(key)
        if isinstance(forms, str):
            raise KeyError(f"{key} has no plural forms: call say")
        return forms[str(self.locale.plural_form(n))]

    def number(self, value: float, *, digits: int = 0, signed: bool = False) -> str:
        """A number with so many digits behind the point."""
        from babel.numbers import format_decimal

        text = format_decimal(_whole(value, digits), _pattern(digits), locale=self.locale)
        return _signed(value, signed) + _minus(text)

    def share(self, value: float, *, digits: int = 1, signed: bool = False) -> str:
        """A share of one as per cent."""
        pattern = _with_digits(self.locale.percent_formats[None], digits)
        return _signed(value, signed) + _minus(str(pattern.apply(_whole(value, digits + 2), self.locale)))

    def probability(self, chance: float) -> str:
        r"""A probability in whole per cent, never as good as certain.

        Examples:
            >>> Words(language="en").probability(0.934), Words(language="ru").probability(0.003)
            ('93%', 'меньше 1\xa0%')
        """
        if chance > SURE:
            return self.say("probability.over", share=self.share(SURE, digits=0))
        if chance < 1 - SURE:
            return self.say("probability.under", share=self.share(1 - SURE, digits=0))
        return self.share(chance, digits=0)

    def money(self, value: float, currency: str, *, digits: int = 0, signed: bool = False) -> str:
        """Money in a currency of the ISO list, or a bare number in none."""
        if not currency:
            return self.number(value, digits=digits, signed=signed)
        pattern = _with_digits(self.locale.currency_formats["standard"], digits)
        shown = pattern.apply(_whole(value, digits), self.locale, currency=currency, currency_digits=False)
        text = _signed(value, signed) + _minus(str(shown))
        code = currency if currency in text else ""  # no symbol of its own: "RUB1" reads badly
        return text.replace(code, f"{code}\xa0").rstrip("\xa0") if code and self.language == "en" else text

    def short_money(self, value: float, currency: str, *, signed: bool = False) -> str:
        r"""Money in thousands or millions, for a reader who wants its size.

        Examples:
            >>> Words(language="ru").short_money(305206, "RUB"), Words(language="en").short_money(-1305206, "RUB")
            ('305\xa0тыс.\xa0₽', '−RUB\xa01.31M')
        """
        scale = _scale(value)
        return self._scaled_money(value, currency, scale, digits=_digits(value, scale), signed=signed)

    def about(
        self,
        point: float,
        lower: float,
        upper: float,
        currency: str,
        *,
        level: float | None = None,
        scale: float | None = None,
    ) -> str:
        r"""Money with its interval in one unit of size, the level named where it is given.

        Args:
            point: Best estimate.
            lower: Lower end of its interval.
            upper: Upper end.
            currency: Of all three.
            level: Confidence of the interval as a share; None where the page has named it already.
            scale: The unit, as in `about_parts`.

        Examples:
            >>> Words(language="ru").about(305206, -72772, 683184, "RUB", level=0.95)
            'около 305\xa0тыс.\xa0₽ (95\xa0%: от −73 до 683\xa0тыс.)'
            >>> Words(language="en").about(305206, -72772, 683184, "RUB")
            'about RUB\xa0305k (−73k to 683k)'
        """
        money, interval = self.about_parts(point, lower, upper, currency, scale=scale)
        named = "" if level is None else f"{self.share(level, digits=_digits_of_level(level))}: "
        return self.say("cell.about", money=money, interval=f"{named}{interval}")

    def about_parts(
        self, point: float, lower: float, upper: float, currency: str, *, scale: float | None = None
    ) -> tuple[str, str]:
        r"""Money and its interval in one unit of size, apart from each other.

        Args:
            point: Best estimate.
            lower: Lower end of its interval.
            upper: Upper end.
            currency: Of all three.
            scale: The unit, 1, 1,000 or a million, where a table has one for all; None for that of the estimate, so
                that it reads as `short_money` writes it.

        Examples:
            >>> Words(language="ru").about_parts(305206, -72772, 683184, "RUB")
            ('305\xa0тыс.\xa0₽', 'от −73 до 683\xa0тыс.')
        """
        widest = max(map(abs, (point, lower, upper)))
        if scale is None:
            scale = max(_scale(point), min(_scale(widest), 1e3))
        digits = _digits(widest, scale)
        ends = {
            name: self.number(end / scale, digits=digits) + (self._suffix(scale) if self.language == "en" else "")
            for name, end in (("lower", lower), ("upper", upper))
        }
        unit = self._suffix(scale) if self.language == "ru" else ""
        money = self._scaled_money(point, currency, scale, digits=digits)
        return money, self.say("cell.interval", **ends) + unit

    def _scaled_money(self, value: float, currency: str, scale: float, *, digits: int, signed: bool = False) -> str:
        text = self.money(value / scale, currency, digits=digits, signed=signed)
        suffix = self._suffix(scale)
        if self.language == "en":
            return text + suffix
        number = self.number(value / scale, digits=digits, signed=signed)
        return text.replace(number, number + suffix)

    def _suffix(self, scale: float) -> str:
        return {1e9: self.say("cell.billion"), 1e6: self.say("cell.million"), 1e3: self.say("cell.thousand")}.get(
            scale, ""
        )

    def symbol(self, currency: str) -> str:
        """A currency's sign, or its code where it has none."""
        if not currency:
            return ""
        from babel.numbers import get_currency_symbol

        return str(get_currency_symbol(currency, locale=self.locale))

    def month(self, first: date, *, short: bool = False) -> str:
        """A month and its year.

        Examples:
            >>> Words(language="ru").month(date(2026, 9, 1)), Words(language="en").month(date(2026, 9, 1), short=True)
            ('сентябрь 2026', 'Sep 26')
        """
        from babel.dates import format_date

        return str(format_date(first, "LLL yy" if short else "LLLL y", locale=self.locale))

    def day(self, day: date) -> str:
        """A day as the language writes it."""
        from babel.dates import format_date

        return str(format_date(day, "d MMMM y", locale=self.locale))

    @property
    def locale(self) -> Locale:
        """The language's number and date forms."""
        return _locale(self.language)

    def _text(self, key: str) -> Text:
        texts = load_texts()
        if key not in texts:
            raise KeyError(f"no text {key!r}{did_you_mean(key, list(texts))}")
        return texts[key][self.language]


def speak(language: str) -> Words:
    """The words of a language.

    Raises:
        UsageError: netlift does not speak it.

    Examples:
        >>> speak("de")
        Traceback (most recent call last):
        netlift.errors.UsageError: --lang de: netlift speaks ru and en
    """
    for known in LANGUAGES:
        if known == language:
            return Words(language=known)
    raise UsageError(f"--lang {language}: netlift speaks {' and '.join(LANGUAGES)}")


@cache
def load_texts() -> Mapping[str, Mapping[str, Text]]:
    """Every text by its key and language, of all files of `texts/`.

    Raises:
        ConfigError: A text lacks a language or a plural form, has other placeholders in another language, or stands
            in two files; all of it at once.
    """
    texts: dict[str, Mapping[str, Text]] = {}
    mistakes: list[str] = []
    for path in sorted(TEXTS.glob("*.yaml")):
        found = dict(_leaves("", read_yaml(path)))
        mistakes += [f"{path.name}: {key} stands in another file too" for key in found if key in texts]
        texts |= found
    for key, text in texts.items():
        mistakes += [f"{key}: {mistake}" for mistake in _mistakes(text)]
    if mistakes:
        raise ConfigError("the texts are not whole:\n" + "\n".join(mistakes))
    return texts


def placeholders(text: Text) -> frozenset[str]:
    """The names in braces, of all plural forms together."""
    forms = [text] if isinstance(text, str) else list(text.values())
    parsed = (part for form in forms for part in string.Formatter().parse(form))
    return frozenset(name for _, name, _, _ in parsed if name is not None)


def _leaves(key: str, node: Any) -> list[tuple[str, Mapping[str, Text]]]:
    """Texts below a node: a mapping from nothing but languages is one."""
    if not isinstance(node, Mapping) or set(node) & set(LANGUAGES):
        return [(key, node if isinstance(node, Mapping) else {})]
    return [leaf for name, child in node.items() for leaf in _leaves(f"{key}.{name}" if key else name, child)]


def _mistakes(text: Mapping[str, Text]) -> list[str]:
    if set(text) != set(LANGUAGES):
        return [f"is in {', '.join(text) or 'no language'}; needed: {', '.join(LANGUAGES)}"]
    found = [
        f"{language} has the forms {', '.join(forms)}; needed: {', '.join(PLURALS[language])}"
        for language, forms in text.items()
        if not isinstance(forms, str) and set(forms) != set(PLURALS[language])
    ]
    if len({placeholders(form) for form in text.values()}) > 1:
        found.append("the languages have different placeholders")
    if len({isinstance(form, str) for form in text.values()}) > 1:
        found.append("is counted in one language and not in the other")
    return found


@cache
def _locale(language: str) -> Locale:
    from babel import Locale

    return Locale.parse(language)


def _pattern(digits: int) -> str:
    return "#,##0" + ("." + "0" * digits if digits else "")


def _with_digits(pattern: Any, digits: int) -> Any:
    shaped = copy.copy(pattern)
    shaped.frac_prec = (digits, digits)
    return shaped


def _whole(value: float, digits: int) -> float:
    """Without a minus before what rounds to zero."""
    return 0.0 if round(value, digits) == 0 else value


def _minus(text: str) -> str:
    """With the sign of subtraction in place of the hyphen that number formats write."""
    return text.replace("-", MINUS)


def _scale(value: float) -> float:
    """What money is divided by so that two to four figures are left."""
    size = abs(value)
    return next((scale for scale in (1e9, 1e6, 1e3) if size >= 0.9995 * scale), 1.0)


def _digits(value: float, scale: float) -> int:
    """Digits behind the point that leave about three figures; whole units and whole thousands from ten on."""
    size = abs(value) / scale
    if scale == 1.0:
        return 2 if 0.005 <= size < 100 else 0
    if scale >= 1e6:
        return 2 if size < 10 else 1 if size < 100 else 0
    return 1 if size < 10 else 0


def _digits_of_level(level: float) -> int:
    return 0 if abs(100 * level - round(100 * level)) < 1e-9 else 1


def _signed(value: float, signed: object) -> str:
    return SIGN_OF_GAIN if signed and value > 0 else ""


__all__ = ["LANGUAGES", "Language", "Words", "load_texts", "placeholders", "speak"]
