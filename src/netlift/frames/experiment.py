"""Experiment: what each arm of a test earned, from a frame of assigned customers, by the readout of the verbs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any

import pandas as pd
from sklearn.base import BaseEstimator

from netlift.abtest.readout.arms import ArmsRead, Terms, gather_arm_cells, read_arms, read_cell
from netlift.abtest.readout.checks import ALARM, blocked, check_arms, check_split
from netlift.abtest.readout.result import ArmCell, ArmReadout, Check, Roi, Verdict
from netlift.abtest.readout_report.checks import checks_grid, sensitivity_grid
from netlift.abtest.readout_report.headline import write_banner, write_cards
from netlift.abtest.readout_report.sentences import ReadoutWords
from netlift.abtest.readout_report.tables import arms_grid, money_grid
from netlift.abtest.stats.aggregate import aggregate, by_arm
from netlift.abtest.stats.difference import Money
from netlift.abtest.stats.moments import OUTCOMES, Moments
from netlift.data.checks.sample_ratio import ArmTotals, SampleRatio, judge_sample_ratio
from netlift.data.contract import CONTROL
from netlift.frames.arms import read_arms as read_treatment
from netlift.frames.columns import FrameError, read_frame, read_numbers, read_vector
from netlift.report.document import Document, Section
from netlift.report.exports import to_html, to_text
from netlift.report.language import speak
from netlift.results import Estimate, Table, Told

if TYPE_CHECKING:
    import ibis.expr.types as ir

CAP = 0.999
UNDATED = date(1970, 1, 1)  # a frame says nothing of days; only workbooks show it


@dataclass(frozen=True, kw_only=True)
class ArmLine:
    """One line of money of one arm, against control.

    Attributes:
        arm: The arm; empty for all arms together.
        line: revenue, margin, contact_cost, profit and so on.
        total: Of all its customers.
        per_customer: Of one of them.
    """

    arm: str
    line: str
    total: Estimate
    per_customer: Estimate


@dataclass(frozen=True, kw_only=True)
class ExperimentResult(Told):
    """What a test earned.

    Attributes:
        name: Of the test.
        currency: Of all money; empty for none.
        read: Arms, money, return and verdicts, as a readout has them.
        cells: Counts and moments, control first.
        checks: Whether it can be trusted.
    """

    name: str
    currency: str
    read: ArmsRead
    cells: tuple[ArmCell, ...]
    checks: tuple[Check, ...]

    observational = False
    after_window = None
    among = None
    advice = ()
    best_in_total = ""
    metrics = ()

    @property
    def arms(self) -> tuple[ArmReadout, ...]:
        """Each arm against control: profit with the interval that holds for all arms, ROI set, verdict."""
        return self.read.arms

    @property
    def best_arm(self) -> str:
        """The arm of the highest profit per customer."""
        return max(self.arms, key=lambda arm: arm.money[-1].per_customer.point).arm

    @property
    def money(self) -> tuple[Money, ...]:
        """Lines of all arms together."""
        return self.read.money

    @property
    def profit(self) -> Estimate:
        """Incremental profit of all arms together, their fixed cost paid."""
        return self.read.profit

    @property
    def roi(self) -> Roi:
        """Return on incremental cost: the set of values that the data do not exclude."""
        return self.read.roi

    @property
    def verdict(self) -> Verdict:
        """What may be said of all arms together."""
        return self.read.verdict

    def to_frame(self) -> pd.DataFrame:
        """The lines of money, a row an arm and a line."""
        lines = [("", line) for line in self.money] + [(arm.arm, line) for arm in self.arms for line in arm.money]
        rows = [
            ArmLine(arm=arm, line=line.name, total=line.total, per_customer=line.per_customer) for arm, line in lines
        ]
        return Table(name="money", rows=tuple(rows)).to_frame()

    def to_html(self, language: str = "en") -> str:
        """One page that fetches nothing: verdict, money, arms, checks.

        Args:
            language: "en" or "ru".
        """
        return to_html(self._document(language)).decode()

    def to_text(self, language: str = "en") -> str:
        """The same as text."""
        return to_text(self._document(language))

    def __str__(self) -> str:
        return self.to_text()

    def _document(self, language: str) -> Document:
        words = speak(language)
        say = ReadoutWords(words=words, currency=self.currency)
        banner, cards = write_banner(self, say), tuple(write_cards(self, say))
        sections = (
            Section(name="verdict", title=say.say("verdict"), banner=banner, cards=cards),
            Section(name="arms", title=say.say("arms"), grids=(arms_grid(self, say),)),
            Section(name="money", title=say.say("money"), grids=(money_grid(self, say),)),
            Section(name="trust", title=say.say("trust"), grids=(checks_grid(self, say), sensitivity_grid(self, say))),
        )
        return Document(
            title=self.name, subtitle="", words=words, currency=self.currency, dated=UNDATED, sections=sections
        )


class Experiment(BaseEstimator):
    """How a randomized test is read: profit of each arm against control, adjusted for what was known before.

    Args:
        profit: Column of what a customer brought in the test, all costs of the contact paid.
        cost: Column of what the contact cost, in `profit` already; None for nothing, and no return on it.
        revenue: Column of revenue; None takes profit and cost together.
        covariates: Columns of numbers from before the test, by which noise is taken out (CUPED), the most telling
            first.
        arm: Column of the arm.
        control: The arm to compare with; None for the one called control, 0 or False.
        shares: Arm to the probability with which it was drawn, which the sizes are then held against.
        cluster: Column of what customers share, such as a household; None where each stands alone.
        fixed_cost: Of the test, shared by the arms by their customers.
        tolerance: Loss on the whole test that is immaterial, in currency.
        level: Confidence of the intervals.
        currency: ISO code; empty for bare numbers.
        name: Of the test.

    References:
        Deng, Xu, Kohavi, Walker (2013), Improving the Sensitivity of Online Controlled Experiments by Utilizing
        Pre-Experiment Data, WSDM. Fieller (1954), Some Problems in Interval Estimation: the set of the ROI.

    Examples:
        >>> import numpy as np
        >>> rng = np.random.default_rng(4)
        >>> before, mail = rng.gamma(2, 20, 3000), rng.random(3000) < 0.5
        >>> spend = before * rng.gamma(4, 0.25, 3000) + 6.0 * mail
        >>> df = pd.DataFrame({"arm": np.where(mail, "mail", "control"), "profit": spend - 1.0 * mail,
        ...                    "cost": 1.0 * mail, "before": before})
        >>> result = Experiment(profit="profit", cost="cost", covariates=["before"]).analyze(df)
        >>> result.verdict.code, result.arms[0].roi.kind, result.profit.ci_lower > 0
        ('made_money', 'interval', True)
    """

    def __init__(
        self, *, profit: str = "profit", cost: str | None = None, revenue: str | None = None,
        covariates: Sequence[str] = (), arm: str = "arm", control: Any = None,
        shares: Mapping[Any, float] | None = None, cluster: str | None = None, fixed_cost: float = 0.0,
        tolerance: float = 0.0, level: float = 0.95, currency: str = "", name: str = "Test",
    ) -> None:  # fmt: skip
        self.profit = profit
        self.cost = cost
        self.revenue = revenue
        self.covariates = covariates
        self.arm = arm
        self.control = control
        self.shares = shares
        self.cluster = cluster
        self.fixed_cost = fixed_cost
        self.tolerance = tolerance
        self.level = level
        self.currency = currency
        self.name = name

    def analyze(self, df: Any) -> ExperimentResult:
        """Read a test.

        Args:
            df: An assigned customer a row, control included: whoever was drawn, whether the contact arrived or not.

        Raises:
            FrameError: Columns that are not there, values that are missing or no numbers, one arm alone.
            DataError: An arm of fewer than two customers.
        """
        import ibis

        frame, control = self._frame(read_frame(df, "df"))
        rows, figures = ibis.memtable(frame), (*OUTCOMES, *self.covariates)

        def read(some: ir.Table, figures: Sequence[str] = OUTCOMES) -> dict[str, Moments]:
            return by_arm(aggregate(some, figures=figures, cluster=self.cluster and "cluster"))

        moments = read(rows, figures)
        cells = gather_arm_cells(rows, moments, read, cap=CAP)
        terms = Terms(
            currency=self.currency, level=self.level, tolerance=self.tolerance, fixed=self.fixed_cost,
            covariates=tuple(self.covariates),
        )  # fmt: skip
        draft = read_arms(cells, terms)
        checks = (
            check_split("planned_split", self._ratio(frame, control)),
            *check_arms(draft.arms, draft.adjustments, moments, covariates=self.covariates),
        )
        found = read_arms(cells, replace(terms, withheld="blocked")) if blocked(checks) else draft
        return ExperimentResult(
            name=self.name,
            currency=self.currency,
            read=found,
            cells=tuple(read_cell(arm, moments[arm]) for arm in moments),
            checks=checks,
        )

    def _frame(self, df: pd.DataFrame) -> tuple[pd.DataFrame, Any]:
        """The columns that a readout is made from, under their names, and the arm that is control."""
        wanted = [self.arm, self.profit, self.cost, self.revenue, self.cluster, *self.covariates]
        missing = [name for name in wanted if name is not None and name not in df.columns]
        if missing:
            raise FrameError(f"df: no column {', '.join(missing)}; there are {', '.join(df.columns)}")
        taken = sorted({*self.covariates} & {*OUTCOMES, "arm", "customer_id", "bought", "campaign_id", "cluster"})
        if taken:
            raise FrameError(f"covariates: {', '.join(taken)} are names of the readout itself; rename these columns")
        n = len(df)
        arms = read_treatment(df[self.arm], "shares", control=self.control, rows=n)
        named = [CONTROL, *map(str, arms.names)]

        def numbers(name: str) -> Any:
            return read_numbers(df[name], rows=n, name=f"column {name!r}")

        profit, cost = numbers(self.profit), 0.0 if self.cost is None else numbers(self.cost)
        revenue = profit + cost if self.revenue is None else numbers(self.revenue)
        frame = pd.DataFrame(
            {
                "campaign_id": self.name,
                "customer_id": range(n),
                "arm": [named[code] for code in arms.code],
                "bought": revenue > 0,
                "revenue": revenue,
                "margin": profit + cost,
                "reward": 0.0,
                "contact_cost": cost,
            }
        )
        if self.cluster is not None:
            frame["cluster"] = read_vector(df[self.cluster], rows=n, name=f"column {self.cluster!r}").astype(str)
        return frame.assign(**{name: numbers(name) for name in self.covariates}), arms.control

    def _ratio(self, frame: pd.DataFrame, control: Any) -> SampleRatio | None:
        """Sizes of the arms against the shares with which they were drawn; None where nobody says."""
        if self.shares is None:
            return None
        counts = frame.arm.value_counts()
        shares = {CONTROL if arm == control else str(arm): share for arm, share in self.shares.items()}
        if set(shares) != set(counts.index) or abs(sum(shares.values()) - 1) > 1e-6:
            raise FrameError(
                f"shares are of {', '.join(map(str, self.shares))} and add up to {sum(shares.values()):.4f}; give one "
                f"for each arm, {', '.join(counts.index)}, that add up to 1"
            )
        totals = [
            ArmTotals(arm=arm, rows=int(counts[arm]), weight=counts[arm] / share, weight_squares=counts[arm] / share**2)
            for arm, share in shares.items()
        ]
        return judge_sample_ratio(self.name, totals, alarm=ALARM)


__all__ = ["Experiment", "ExperimentResult"]
