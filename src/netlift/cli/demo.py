"""Command of the closed loop: a simulated year under netlift and under other policies."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from netlift.cli.terminal import DEMO, ConfigOption, JsonOption, TimeoutOption, load_business, now, show, watched


def demo(
    *,
    customers: Annotated[
        int, typer.Option(help="Customers of the shop by the end of the last month, 300 or more.")
    ] = 10_000,
    rounds: Annotated[int, typer.Option(help="Months, 1 to 24.")] = 12,
    preset: Annotated[str, typer.Option(help="The shop: retailer or sports-nutrition.")] = "retailer",
    start: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="First day, the first of a month.")] = datetime(
        2026, 10, 1
    ),
    seed: Annotated[int, typer.Option(help="The same request gives the same bytes.")] = 7,
    epsilon: Annotated[
        float | None, typer.Option(help="Share of decisions that chance draws; as the config says where not given.")
    ] = None,
    rest_days: Annotated[
        int | None, typer.Option(min=0, max=366, help="Days of rest after a contact; learned where not given.")
    ] = None,
    study: Annotated[
        Path | None, typer.Option(help="Folder of experiments/ for readout.md and readout.json of this shop.")
    ] = None,
    run_key: Annotated[str, typer.Option(help="Name of the output's folder.")] = "",
    lang: Annotated[str, typer.Option(help="Of the texts: ru or en.")] = "ru",
    config: ConfigOption = DEMO,
    lock_timeout: TimeoutOption = 0.0,
    json_output: JsonOption = False,
) -> None:
    """Run the closed loop: check, train, decide, let the world answer, read out, and again, month by month.

    The same year is lived without contacts, with mass mailing, with propensity targeting and by an oracle.
    Example: netlift demo --customers 10000 --preset sports-nutrition --lang en
    """
    from netlift.pipelines.demo import DemoRequest, run_demo, write_study

    request = DemoRequest(
        customers=customers, seed=seed, start=start.date(), rounds=rounds, preset=preset, epsilon=epsilon,
        rest_days=rest_days, language=lang, run_key=run_key,
    )  # fmt: skip
    with watched(quiet=json_output) as progress:
        run = run_demo(load_business(config), request, progress=progress, now=now(), lock_timeout=lock_timeout)
    if study is not None:
        write_study(run, study)
    show(run, json_output=json_output, config=config)


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command()(demo)


__all__ = ["demo", "register"]
