"""What people may order, from a form or the API, as commands of the verbs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from netlift.config.business import BusinessSettings
from netlift.config.plan import PLAN_FILE, load_plan
from netlift.errors import ConfigError, UsageError
from netlift.text import clean
from netlift.web.jobs import Command
from netlift.web.readouts import KIND, read_stored

if TYPE_CHECKING:
    from netlift.web.visit import Desk

Text = Annotated[str, Field(max_length=200)]
Share = Annotated[float, Field(gt=0, lt=1)]
OF_CUSTOMERS = ("segment", "strategy")


class Asked(BaseModel):
    """Something that is asked of a verb."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> Self:
        """What a form gave.

        Raises:
            UsageError: Its mistakes, each with its field.
        """
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            mistakes = (f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors(include_url=False))
            raise UsageError("; ".join(mistakes)) from None


class ReadoutAsked(Asked):
    """A readout.

    Attributes:
        campaign: Id of the campaign; empty where a plan is named.
        plan: Folder of the plan below the experiments; empty where a campaign is named.
        language: Of the texts.
        as_of: First day not seen; the end of the receipts when left out.
        segments: Columns to split by, beyond those of plan and config.
        tolerance: Loss that is immaterial, in currency; that of plan or config when left out.
        pdf: Whether a PDF is printed too.
    """

    campaign: Text = ""
    plan: Text = ""
    language: Literal["ru", "en"] = "ru"
    as_of: date | None = None
    segments: tuple[Text, ...] = ()
    tolerance: Annotated[float, Field(ge=0)] | None = None
    pdf: bool = False

    def command(self, desk: Desk) -> Command:
        """The command of the verb.

        Raises:
            UsageError: Neither or both of campaign and plan, a plan or column that is none of the business's, or a
                path in place of a campaign's id.
        """
        if bool(self.campaign) == bool(self.plan):
            raise UsageError("name a campaign or a plan, and not both")
        if self.plan and self.plan not in known_plans(desk):
            raise UsageError(f"plan {clean(self.plan)}: there is no such plan among the experiments")
        if self.campaign and _is_path(self.campaign):
            raise UsageError(f"campaign {clean(self.campaign)}: give the id of a campaign, not a path")
        if strange := sorted({*self.segments} - {*split_columns(desk.settings)}):
            raise UsageError(f"segments: {clean(strange[0])} is none of {', '.join(split_columns(desk.settings))}")
        given: dict[str, Any] = {
            "lang": self.language,
            "as-of": self.as_of,
            "by": ",".join(self.segments),
            "tolerance": self.tolerance,
        }
        target = str(desk.experiments / self.plan / PLAN_FILE) if self.plan else self.campaign
        arguments = (*_options(given), *(["--pdf"] if self.pdf else []), "--", target)
        return Command(verb="readout", arguments=arguments, subject=self.campaign or self.plan)


class DesignAsked(Asked):
    """A test to design: the questions of `netlift design`.

    Attributes:
        campaign_id: Id of the campaign that is planned.
        hypothesis: What is expected and why.
        offers: Offers to try, by id.
        start: Moment of assignment, local time.
        outcome_days: Days whose receipts count.
        name: What the business calls the campaign.
        expect: Profit per treated customer that is assumed.
        chance: Aim: probability of the verdict that it made money, if `expect` is true.
        half_width: Aim: profit per treated customer known to so much.
        control_share: Share of control; the smallest that meets the aims when left out.
        customers: At most so many.
        eligible: Conditions.
        reward: Expected reward per buyer, for all offers.
        reward_share: Share of revenue paid back, for all offers.
        fixed_cost: Cost that does not depend on the contacts.
        tolerance: Loss that is immaterial; the config's when left out.
        segments: Columns to report by.
        language: Of the texts.
    """

    campaign_id: Annotated[str, Field(min_length=1, max_length=60)]
    hypothesis: Annotated[str, Field(min_length=1, max_length=1_000)]
    offers: Annotated[tuple[Text, ...], Field(min_length=1)]
    start: datetime
    outcome_days: Annotated[int, Field(ge=1, le=366)]
    name: Text = ""
    expect: float | None = None
    chance: Share | None = None
    half_width: Annotated[float, Field(gt=0)] | None = None
    control_share: Share | None = None
    customers: Annotated[int, Field(ge=4)] | None = None
    eligible: tuple[Text, ...] = ()
    reward: Annotated[float, Field(ge=0)] | None = None
    reward_share: Annotated[float, Field(ge=0, le=1)] | None = None
    fixed_cost: Annotated[float, Field(ge=0)] | None = None
    tolerance: Annotated[float, Field(ge=0)] | None = None
    segments: tuple[Text, ...] = ()
    language: Literal["ru", "en"] = "ru"

    def command(self, desk: Desk) -> Command:
        """The command of the verb.

        Raises:
            UsageError: A comma in an offer or a column, which the verb would take for two.
        """
        if comma := [text for text in (*self.offers, *self.segments) if "," in text]:
            raise UsageError(f"{clean(comma[0])}: no comma may stand in the id of an offer or a column")
        form = "%Y-%m-%d" if self.start.time() == time() else "%Y-%m-%dT%H:%M"
        plain = self.model_dump(exclude={"language", "offers", "segments", "eligible", "start"})
        given = {name.replace("_", "-"): value for name, value in plain.items()}
        given |= {
            "start": self.start.strftime(form),
            "offers": ",".join(self.offers),
            "segments": ",".join(self.segments),
        }
        conditions = [f"--eligible={text}" for text in self.eligible]
        arguments = (*_options({"lang": self.language, **given}), *conditions)
        return Command(verb="design", arguments=arguments, subject=self.name or self.campaign_id)


def known_plans(desk: Desk) -> dict[str, str]:
    """Folder below the experiments to campaign, of every plan of this business that can be read."""
    found = {}
    for path in sorted(desk.experiments.glob(f"*/{PLAN_FILE}")):
        try:
            plan = load_plan(path)
        except ConfigError:
            continue  # a file that is no plan cannot be asked about
        if plan.currency == desk.settings.currency:
            found[path.parent.name] = plan.campaign_id
    return found


def known_campaigns(desk: Desk) -> dict[str, str]:
    """Id to name of the campaigns that stored results tell of."""
    run = desk.store.newest("portfolio")
    rows = run.json("portfolio.json") if run else {}
    listed = {row["campaign_id"]: row["name"] for part in ("campaigns", "left_out") for row in rows.get(part, ())}
    read = {one.campaign_id: one.title for one in map(read_stored, desk.store.runs(KIND)) if one.verdict}
    return {**read, **listed}


def split_columns(settings: BusinessSettings) -> tuple[str, ...]:
    """Columns by which a readout may be split."""
    own = OF_CUSTOMERS if settings.segments is not None else ()
    return tuple(dict.fromkeys([*own, *settings.data.attributes]))


def _options(given: Mapping[str, Any]) -> Iterator[str]:
    """Options with their values, which cannot be taken for other options."""
    return (f"--{name}={clean(str(value))}" for name, value in given.items() if value not in (None, ""))


def _is_path(text: str) -> bool:
    return Path(text).suffix in (".yaml", ".yml") or Path(text).exists()


__all__ = ["DesignAsked", "ReadoutAsked", "known_campaigns", "known_plans", "split_columns"]
