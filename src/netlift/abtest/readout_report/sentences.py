"""Formatting of a readout's numbers and names, shared by pages, files and terminal."""

from __future__ import annotations

import math
from dataclasses import dataclass

from netlift.abtest.readout.result import ArmReadout, ArmsResult, CampaignReadout, Roi
from netlift.report.document import Cell, Tone, text_cell
from netlift.report.language import Words
from netlift.results import Estimate
from netlift.text import clean

SMALLEST_MONEY, SMALL_MONEY = 0.005, 100.0
SMALLEST_CHANCE = 1e-4
QUOTES = {"ru": ("«", "»"), "en": ("“", "”")}
WITHHELD = ("blocked", "observational")


@dataclass(frozen=True, kw_only=True)
class ReadoutWords:
    """How a readout is said.

    Attributes:
        words: The language.
        currency: Of all money.
    """

    words: Words
    currency: str

    def say(self, key: str, /, **values: str) -> str:
        """A text of the readout."""
        return self.words.say(f"readout.{key}", **values)

    def head(self, name: str, **values: str) -> Cell:
        """The head of a column."""
        return text_cell(self.words.say(f"readout_column.{name}", **values))

    def heads(self, *names: str) -> tuple[Cell, ...]:
        """Heads of columns."""
        return tuple(map(self.head, names))

    def note(self, key: str, **values: str) -> str:
        """A note on advice."""
        return self.words.say(f"readout_note_of.{key}", **values)

    def name(self, family: str, name: str) -> str:
        """What a thing is called, else its own name made harmless to who reads it."""
        return clean(self.words.name(family, name))

    def arm(self, arm: str) -> str:
        """What an offer is called; all of them together where it is none."""
        return self.name("offer", arm) if arm else self.say("all_arms")

    def quoted(self, arm: str) -> str:
        """An offer in a sentence."""
        first, last = QUOTES[self.words.language]
        return f"{first}{self.arm(arm)}{last}"

    def segment(self, dimension: str, name: str) -> str:
        """What a segment of a split is called; customers without a value have one too."""
        return clean(self.words.value(dimension, name))

    def money(self, value: float, *, digits: int | None = None) -> str:
        """Money, with small change where it says something."""
        return self.words.money(value, self.currency, digits=money_digits(value) if digits is None else digits)

    def whole(self, estimate: Estimate) -> str:
        """The best estimate of money."""
        return self.money(estimate.point, digits=money_digits(*_ends(estimate)))

    def about(self, estimate: Estimate, *, level: bool = False) -> str:
        """Money in thousands with its interval, for a first page; the level where it is to be named."""
        if not is_bounded(estimate):
            return self.say("about_unbounded", money=self.words.short_money(estimate.point, self.currency))
        if is_exact(estimate):
            return self.words.short_money(estimate.point, self.currency)
        ends = (estimate.point, estimate.ci_lower, estimate.ci_upper)
        return self.words.about(*ends, self.currency, level=estimate.level if level else None)

    def about_cell(self, estimate: Estimate, *, tone: Tone = "") -> Cell:
        """The same as a figure with its interval below; the number itself stays whole."""
        if is_bounded(estimate) and not is_exact(estimate):
            ends = (estimate.point, estimate.ci_lower, estimate.ci_upper)
            text, note = self.words.about_parts(*ends, self.currency)
        else:
            text = self.words.short_money(estimate.point, self.currency)
            note = "" if is_exact(estimate) else self.say("no_bounds")
        return Cell(kind="money", value=estimate.point, text=text, note=note, tone=tone)

    def ranged(self, estimate: Estimate) -> str:
        """Money with its interval behind it, where it has one."""
        return ", ".join(filter(None, [self.whole(estimate), self.interval(estimate)]))

    def interval(self, estimate: Estimate) -> str:
        """The interval of money in words, as it stands below a figure."""
        return self.money_cell(estimate).small_print(self.words, self.currency)

    def money_cell(self, estimate: Estimate | None, *, digits: int | None = None, tone: Tone = "") -> Cell:
        """Money with its interval."""
        if estimate is None:
            return text_cell("")
        shown = money_digits(*_ends(estimate)) if digits is None else digits
        if not is_bounded(estimate):
            return Cell(kind="money", value=estimate.point, digits=shown, note=self.say("no_bounds"), tone=tone)
        lower, upper = (None, None) if is_exact(estimate) else (estimate.ci_lower, estimate.ci_upper)
        return Cell(kind="money", value=estimate.point, lower=lower, upper=upper, digits=shown, tone=tone)

    def roi_cell(self, roi: Roi, *, bought: bool = True) -> Cell:
        """Return on incremental cost, or the word why there is none; nothing can be told where nobody `bought`."""
        if not bought:
            return Cell(kind="share", value=None, text=self.words.say("readout_roi.nobody_bought"), tone="muted")
        if roi.kind != "interval" or roi.point is None:
            text = self.words.say(f"readout_roi.{roi.kind if roi.kind != 'interval' else 'undefined'}")
            return Cell(kind="share", value=None, text=text, tone="muted")
        return Cell(kind="share", value=roi.point, lower=roi.lower, upper=roi.upper, digits=1)

    def rare(self, chance: float) -> str:
        """A chance that may be very small, as per cent."""
        if chance >= SMALLEST_CHANCE:
            return self.words.share(chance, digits=0 if chance >= 0.1 else 2)
        return self.words.say("readout_said.less_than", value=self.words.share(SMALLEST_CHANCE, digits=2))

    def level(self, readout: CampaignReadout) -> str:
        """Confidence of the intervals."""
        return self.words.share(readout.level, digits=0 if math.isclose(100 * readout.level % 1, 0) else 1)

    def yes(self, *, so: bool) -> str:
        """Yes or no."""
        return self.words.say(f"readout_is.{'so' if so else 'not_so'}")


def best_of(readout: CampaignReadout) -> ArmReadout:
    """The arm that a decision is about."""
    return next((arm for arm in readout.arms if arm.arm == readout.best_arm), readout.arms[0])


def somebody_bought(readout: ArmsResult, *arms: str) -> bool:
    """Whether anybody of some arms bought within the window, or of all: else only the cost is known."""
    return any(cell.buyers for cell in readout.cells if not arms or cell.arm in arms)


def money_digits(*values: float) -> int:
    """Digits behind the point that the largest of some amounts of money is written with."""
    largest = max((abs(value) for value in values if math.isfinite(value)), default=0.0)
    return 2 if SMALLEST_MONEY <= largest < SMALL_MONEY else 0


def is_bounded(estimate: Estimate) -> bool:
    """Whether an estimate has an interval with ends: so early a look that nothing could stop it has none."""
    return math.isfinite(estimate.ci_lower) and math.isfinite(estimate.ci_upper)


def is_exact(estimate: Estimate) -> bool:
    """Whether an estimate has no interval to speak of, such as a cost that is known."""
    return estimate.ci_lower == estimate.ci_upper


def _ends(estimate: Estimate) -> tuple[float, float, float]:
    return estimate.point, estimate.ci_lower, estimate.ci_upper
