"""Command of decisions."""

from __future__ import annotations

from datetime import datetime
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


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command()(decide)


__all__ = ["decide", "register"]
