"""Commands of decisions and of the operators who let them go out."""

from __future__ import annotations

from datetime import datetime
from getpass import getuser
from typing import Annotated

import typer

from netlift.cli.terminal import (
    DEMO,
    ConfigOption,
    DataOption,
    JsonOption,
    TimeoutOption,
    load_business,
    now,
    show,
    watched,
)
from netlift.errors import UsageError


def decide(
    *,
    as_of: Annotated[datetime, typer.Option("--as-of", formats=["%Y-%m-%d"], help="First day not seen.")],
    run_key: Annotated[
        str, typer.Option(help="Name of this run's output and campaign; the same key writes the same bytes.")
    ] = "",
    trigger: Annotated[
        str, typer.Option(help="A trigger of the config: only customers for whom it fires, and its offers.")
    ] = "",
    score: Annotated[
        bool, typer.Option("--score", help="The whole night: write the scores of the day first, as netlift score does.")
    ] = False,
    excel: Annotated[
        bool, typer.Option("--excel", help="CSV with ; and a byte-order mark, as Excel opens it in Russian.")
    ] = False,
    lang: Annotated[str, typer.Option(help="Of the texts: ru or en.")] = "ru",
    config: ConfigOption = DEMO,
    data: DataOption = None,
    lock_timeout: TimeoutOption = 0.0,
    json_output: JsonOption = False,
) -> None:
    """Choose one offer or none for every customer by expected profit, and write the lists of each channel.

    Nothing goes out without fresh consents (exit 4). Example: netlift decide --as-of 2026-10-01 --score --lang en
    """
    from netlift.decisions.run.decide import DecideRequest
    from netlift.pipelines.decide import decide_business
    from netlift.pipelines.score_and_decide import score_and_decide
    from netlift.report.language import speak

    speak(lang)
    request = DecideRequest(as_of=as_of.date(), run_key=run_key, trigger=trigger, for_excel=excel, language=lang)
    if score and trigger:
        raise UsageError(
            "--score goes with the run of all customers; give it there, and --trigger in runs of their own"
        )
    job = score_and_decide if score else decide_business
    with watched(quiet=json_output) as progress:
        run = job(load_business(config, data), request, progress=progress, now=now(), lock_timeout=lock_timeout)
    show(run, json_output=json_output, config=config)


OfferArgument = Annotated[str, typer.Argument(help="The offer, as the config has it; left out with --channel.")]
ChannelOption = Annotated[str, typer.Option(help="A channel in place of an offer.")]
ByOption = Annotated[str, typer.Option("--by", help="Who does it, for the audit; the user's name when left out.")]
AnsweredOption = Annotated[
    datetime | None, typer.Option("--as-of", formats=["%Y-%m-%d"], help="Day of the run, where it has no key.")
]
AnsweredKeyOption = Annotated[str, typer.Option(help="Key of the run; its day when left out.")]


def stop(
    *,
    offer: OfferArgument = "",
    channel: ChannelOption = "",
    reason: Annotated[str, typer.Option(help="Why, for the audit.")],
    until: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Last day of it; until it is resumed when left out.")
    ] = None,
    by: ByOption = "",
    config: ConfigOption = DEMO,
    data: DataOption = None,
    json_output: JsonOption = False,
) -> None:
    """The kill switch: nothing goes out by an offer or a channel from now on.

    Example: netlift stop --channel sms --reason "the provider sends twice" --until 2026-10-05
    """
    from netlift.decisions.handover.acts import switch

    result = switch(
        load_business(config, data),
        offer=offer,
        channel=channel,
        stopped=True,
        reason=reason,
        by=by or getuser(),
        until=None if until is None else until.date(),
        now=now(),
    )
    show(result, json_output=json_output, config=config)


def resume(
    *,
    offer: OfferArgument = "",
    channel: ChannelOption = "",
    reason: Annotated[str, typer.Option(help="Why, for the audit.")],
    by: ByOption = "",
    config: ConfigOption = DEMO,
    data: DataOption = None,
    json_output: JsonOption = False,
) -> None:
    """Put a stopped offer or channel to use again, from the next run on.

    Example: netlift resume --channel sms --reason "the provider has mended it"
    """
    from netlift.decisions.handover.acts import switch

    result = switch(
        load_business(config, data),
        offer=offer,
        channel=channel,
        stopped=False,
        reason=reason,
        by=by or getuser(),
        now=now(),
    )
    show(result, json_output=json_output, config=config)


def approve(
    *,
    as_of: AnsweredOption = None,
    run_key: AnsweredKeyOption = "",
    by: ByOption = "",
    seen: Annotated[str, typer.Option(help="The digest that the run told, or its first letters.")] = "",
    config: ConfigOption = DEMO,
    data: DataOption = None,
    lock_timeout: TimeoutOption = 0.0,
    json_output: JsonOption = False,
) -> None:
    """Hand over the lists of a run that waits for it, less who has taken a consent back since.

    Example: netlift approve --as-of 2026-10-01 --by "A. Ivanova"
    """
    from netlift.decisions.handover.acts import approve_lists

    result = approve_lists(
        load_business(config, data),
        run_key=_key_of(as_of, run_key),
        by=by or getuser(),
        seen=seen,
        now=now(),
        lock_timeout=lock_timeout,
    )
    show(result, json_output=json_output, config=config)


def reject(
    *,
    as_of: AnsweredOption = None,
    run_key: AnsweredKeyOption = "",
    reason: Annotated[str, typer.Option(help="Why, for the audit.")],
    by: ByOption = "",
    config: ConfigOption = DEMO,
    data: DataOption = None,
    lock_timeout: TimeoutOption = 0.0,
    json_output: JsonOption = False,
) -> None:
    """Let none of a run's lists go out; its customers count as not contacted.

    Example: netlift reject --as-of 2026-10-01 --reason "the price list was wrong"
    """
    from netlift.decisions.handover.acts import reject_lists

    result = reject_lists(
        load_business(config, data),
        run_key=_key_of(as_of, run_key),
        by=by or getuser(),
        reason=reason,
        now=now(),
        lock_timeout=lock_timeout,
    )
    show(result, json_output=json_output, config=config)


def _key_of(as_of: datetime | None, run_key: str) -> str:
    if not run_key and as_of is None:
        raise UsageError("name the run: --as-of its day, or --run-key")
    return run_key or f"{as_of:%Y-%m-%d}"


def register(app: typer.Typer) -> None:
    """Add the verbs to the command line."""
    for verb in (decide, stop, resume, approve, reject):
        app.command()(verb)


__all__ = ["approve", "decide", "register", "reject", "resume", "stop"]
