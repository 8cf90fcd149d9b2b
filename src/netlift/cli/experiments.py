"""Commands of experiments: design, assign, readout and portfolio."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from netlift.cli.terminal import (
    DEMO,
    EXPERIMENTS,
    BrowserOption,
    ConfigOption,
    DataOption,
    JsonOption,
    LangOption,
    PdfOption,
    TimeoutOption,
    load_business,
    now,
    show,
    watched,
)
from netlift.errors import UsageError

AsOfOption = Annotated[
    datetime | None,
    typer.Option(formats=["%Y-%m-%d"], help="First day not seen; the end of the receipts when left out."),
]
EACH = "One number for all offers, or offer=number; may be repeated."


def design(
    *,
    start: Annotated[
        datetime, typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M"], help="Moment of assignment, local time.")
    ],
    hypothesis: Annotated[str, typer.Option(help="What is expected and why, in a sentence.")],
    campaign_id: Annotated[str, typer.Option(help="Id of the campaign that is planned.")] = "",
    offers: Annotated[str, typer.Option(help="Offers to try, by id, commas between; each is an arm.")] = "",
    outcome_days: Annotated[int, typer.Option(min=0, max=366, help="Days whose receipts count.")] = 0,
    journey: Annotated[
        str, typer.Option(help="A journey of the config in place of --campaign-id, --offers and --outcome-days.")
    ] = "",
    tolerance: Annotated[
        float | None, typer.Option(min=0, help="Loss that is immaterial, for the campaign; the config's when left out.")
    ] = None,
    half_width: Annotated[
        float | None, typer.Option(help="Aim: profit per treated customer known to ± this much.")
    ] = None,
    expect: Annotated[
        float | None,
        typer.Option(help="Profit per treated customer that is assumed, after reward and contact, before fixed cost."),
    ] = None,
    chance: Annotated[
        float | None, typer.Option(help="Aim: chance of the verdict 'made money' if --expect is true, such as 0.8.")
    ] = None,
    control_share: Annotated[
        float | None, typer.Option(help="Share of control; the smallest that meets the aims when left out.")
    ] = None,
    eligible: Annotated[
        list[str] | None,
        typer.Option(help="A condition, such as 'days_since_last_purchase <= 365' or 'region = Тверь, Тула'; repeat."),
    ] = None,
    customers: Annotated[int | None, typer.Option(min=4, help="At most so many, drawn by chance.")] = None,
    reward: Annotated[list[str] | None, typer.Option(help=f"Expected reward per buyer. {EACH}")] = None,
    reward_share: Annotated[list[str] | None, typer.Option(help=f"Share of revenue paid back. {EACH}")] = None,
    fixed_cost: Annotated[float, typer.Option(min=0, help="Cost that does not depend on the contacts.")] = 0.0,
    looks: Annotated[int, typer.Option(min=1, max=52, help="How often the result is looked at.")] = 1,
    level: Annotated[float | None, typer.Option(help="Confidence; the config's when left out.")] = None,
    segments: Annotated[
        str, typer.Option(help="Report by columns of customers, segment or strategy, commas between.")
    ] = "",
    strata: Annotated[str, typer.Option(help="Columns within whose values shares are kept exactly.")] = "",
    cluster: Annotated[str | None, typer.Option(help="Column of customers who share an arm: a household.")] = None,
    holdout_share: Annotated[
        float | None, typer.Option(help="Share of all customers whom nobody contacts, if the config has no decisions.")
    ] = None,
    holdout_months: Annotated[int | None, typer.Option(min=1, max=24, help="Months after which it rotates.")] = None,
    holdout_half_width: Annotated[
        float | None, typer.Option(help="Say how large it must be to know what all CRM brings to ± this much.")
    ] = None,
    washout_days: Annotated[
        int | None, typer.Option(min=0, max=366, help="Days after a rotation that are not read.")
    ] = None,
    name: Annotated[str, typer.Option(help="What the business calls the campaign.")] = "",
    slug: Annotated[str, typer.Option(help="Folder below experiments/; month and id when left out.")] = "",
    pdf: PdfOption = False,
    browser: BrowserOption = None,
    lang: LangOption = "ru",
    config: ConfigOption = DEMO,
    lock_timeout: TimeoutOption = 0.0,
    json_output: JsonOption = False,
) -> None:
    """Size a campaign from past spend and freeze its plan: customers, control, weeks, what it will tell and cost.

    Example: netlift design --campaign-id C20 --offers sms_bonus_300 --start 2026-10-05 --outcome-days 28
    --expect 60 --chance 0.8 --reward 60 --hypothesis "A bonus brings sleepers back"
    """
    from netlift.abtest.design.request import DesignRequest
    from netlift.pipelines.design import design_campaign
    from netlift.report.language import speak

    speak(lang)
    if journey and campaign_id not in ("", journey):
        raise UsageError(f"--campaign-id {campaign_id}: a journey's campaign has the journey's name, {journey}")
    request = DesignRequest(
        campaign_id=journey or campaign_id,
        is_journey=bool(journey),
        hypothesis=hypothesis,
        offers=_listed(offers),
        start=start,
        outcome_days=outcome_days,
        tolerance=tolerance,
        name=name,
        slug=slug,
        eligible=tuple(eligible or ()),
        half_width=half_width,
        expected=expect,
        chance=chance,
        control_share=control_share,
        customers=customers,
        reward=_by_offer("--reward", reward or ()),
        reward_share=_by_offer("--reward-share", reward_share or ()),
        fixed_cost=fixed_cost,
        looks=looks,
        level=level,
        segments=_listed(segments),
        strata=_listed(strata),
        cluster=cluster,
        holdout_share=holdout_share,
        holdout_months=holdout_months,
        washout_days=washout_days,
        holdout_half_width=holdout_half_width,
        language=lang,
    )
    with watched(quiet=json_output) as progress:
        run = design_campaign(
            load_business(config),
            request,
            experiments=EXPERIMENTS,
            progress=progress,
            now=now(),
            lock_timeout=lock_timeout,
            pdf=pdf,
            browser=browser,
        )
    show(run, json_output=json_output, config=config)
    run.raise_for_refusal()


def assign(
    plan: Annotated[Path, typer.Argument(help="The plan: its file, or the folder of its experiment.")],
    *,
    lang: LangOption = "ru",
    config: ConfigOption = DEMO,
    lock_timeout: TimeoutOption = 0.0,
    json_output: JsonOption = False,
) -> None:
    """Draw the arms of a frozen plan: contacts as Parquet and CSV, the campaign's row, and a manifest.

    Example: netlift assign experiments/2026-10-c20/plan.yaml
    """
    from netlift.pipelines.assign import assign_campaign
    from netlift.report.language import speak

    speak(lang)
    with watched(quiet=json_output) as progress:
        run = assign_campaign(
            load_business(config), plan, progress=progress, now=now(), lock_timeout=lock_timeout, language=lang
        )
    show(run, json_output=json_output, config=config)


def readout(
    target: Annotated[str, typer.Argument(help="Id of a campaign, its plan, or the key of a run of decisions.")] = "",
    every: Annotated[bool, typer.Option("--all", help="Every campaign, for the scorecard, in place of one.")] = False,
    as_of: AsOfOption = None,
    by: Annotated[
        str, typer.Option(help="Split by columns of customers, segment or strategy, commas between: exploratory.")
    ] = "",
    tolerance: Annotated[
        float | None, typer.Option(min=0, help="Loss that is immaterial, in money; else that of plan or config.")
    ] = None,
    pdf: PdfOption = False,
    browser: BrowserOption = None,
    lang: LangOption = "ru",
    config: ConfigOption = DEMO,
    data: DataOption = None,
    run_key: Annotated[str, typer.Option(help="Name of this job's output; the same key writes the same bytes.")] = "",
    lock_timeout: TimeoutOption = 0.0,
    json_output: JsonOption = False,
) -> None:
    """What a campaign, all of them, or a run of decisions really earned: how sure, for whom, can it be trusted.

    Example: netlift readout C08 --by segment --lang en
    """
    from netlift.errors import UsageError
    from netlift.pipelines.decision_readout import is_run, make_decision_readout
    from netlift.pipelines.readout import ReadoutOrder, make_readout
    from netlift.pipelines.readouts import make_readouts

    order = ReadoutOrder(
        target=target,
        language=lang,
        as_of=as_of,
        split_by=_listed(by),
        tolerance=tolerance,
        pdf=pdf,
        browser=browser,
        run_key=run_key,
    )
    settings = load_business(config, data)
    if every == bool(target):
        raise UsageError("name one campaign, plan or run of decisions, or --all for every campaign, and not both")
    decided = not every and is_run(settings, target)
    given = {"--by": by, "--tolerance": tolerance is not None, "--pdf": pdf}
    if decided and any(given.values()):
        strange = ", ".join(option for option, value in given.items() if value)
        raise UsageError(f"{target} is a run of decisions, whose readout has no {strange}; leave it out")
    make_own = make_readouts if every else make_readout
    make = make_decision_readout if decided else partial(make_own, plans=sorted(EXPERIMENTS.glob("*/plan.yaml")))
    with watched(quiet=json_output) as progress:
        run = make(settings, order, progress=progress, now=now(), lock_timeout=lock_timeout)
    show(run, json_output=json_output, config=config)


def portfolio(
    as_of: AsOfOption = None,
    lang: LangOption = "ru",
    config: ConfigOption = DEMO,
    data: DataOption = None,
    run_key: Annotated[str, typer.Option(help="Name of this job's output; the same key writes the same bytes.")] = "",
    lock_timeout: TimeoutOption = 0.0,
    json_output: JsonOption = False,
) -> None:
    """What all campaigns earned by offer, channel and segment, what to scale up or stop; the global control beside it.

    Example: netlift portfolio --as-of 2026-10-01 --lang en
    """
    from netlift.pipelines.portfolio import PortfolioRequest, make_portfolio

    with watched(quiet=json_output) as progress:
        run = make_portfolio(
            load_business(config, data),
            PortfolioRequest(language=lang, as_of=as_of, run_key=run_key),
            plans=sorted(EXPERIMENTS.glob("*/plan.yaml")),
            progress=progress,
            now=now(),
            lock_timeout=lock_timeout,
        )
    show(run, json_output=json_output, config=config)


def register(app: typer.Typer) -> None:
    """Add the verbs to the command line."""
    for verb in (design, assign, readout, portfolio):
        app.command()(verb)


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _by_offer(option: str, given: Sequence[str]) -> dict[str, float]:
    """Numbers by offer; under the empty name what holds for all.

    Raises:
        UsageError: What was given is not a number.

    Examples:
        >>> _by_offer("--reward", ["60", "call_advice=0"])
        {'': 60.0, 'call_advice': 0.0}
    """
    numbers = {}
    for text in given:
        offer, _, number = text.rpartition("=")
        try:
            numbers[offer.strip()] = float(number)
        except ValueError as error:
            raise UsageError(f"{option} {text!r}: {EACH}") from error
    return numbers


__all__ = ["assign", "design", "register"]
