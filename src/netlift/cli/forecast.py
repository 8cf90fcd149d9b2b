"""Command of the margin forecast: next quarter and year, and what-if scenarios."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from netlift.cli.terminal import (
    DEMO,
    ConfigOption,
    DataOption,
    JsonOption,
    LangOption,
    TimeoutOption,
    load_business,
    now,
    show,
    watched,
)


def forecast(
    *,
    as_of: Annotated[
        datetime, typer.Option("--as-of", formats=["%Y-%m-%d"], help="First day not seen; months are counted from it.")
    ],
    budget: Annotated[
        float | None, typer.Option(help="What if: money of a run of decisions, in place of the config's.")
    ] = None,
    margin: Annotated[float, typer.Option(help="What if: times the margin of every sale; 0.95 is 5 % less.")] = 1.0,
    churn: Annotated[
        float, typer.Option(help="What if: times the rate at which known customers leave; 0.9 is 10 % less.")
    ] = 1.0,
    lang: LangOption = "ru",
    config: ConfigOption = DEMO,
    data: DataOption = None,
    run_key: Annotated[str, typer.Option(help="Name of this job's output; the same key writes the same bytes.")] = "",
    lock_timeout: TimeoutOption = 0.0,
    json_output: JsonOption = False,
) -> None:
    """Forecast the margin of the next quarter and year: without contacts, by contacts, and what if.

    Each forecast stands beside naive ones on days past, and gives way to one that was nearer.
    Example: netlift forecast --as-of 2026-10-01 --budget 90000 --lang en
    """
    from netlift.forecast.result import WhatIf
    from netlift.pipelines.forecast import ForecastRequest, forecast_business

    request = ForecastRequest(
        as_of=as_of.date(),
        language=lang,
        what_if=WhatIf(budget=budget, margin=margin, churn=churn),
        run_key=run_key,
    )
    with watched(quiet=json_output) as progress:
        run = forecast_business(
            load_business(config, data), request, progress=progress, now=now(), lock_timeout=lock_timeout
        )
    show(run, json_output=json_output, config=config)


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command()(forecast)


__all__ = ["forecast", "register"]
