"""Commands of upkeep: erase, prune, doctor."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from netlift.cli.terminal import (
    DEMO,
    EXPERIMENTS,
    ConfigOption,
    DataOption,
    JsonOption,
    TimeoutOption,
    load_business,
    now,
    show,
)
from netlift.errors import NetliftError


def erase(
    customers: Annotated[list[str], typer.Argument(help="Ids of the customers, as the tables have them.")],
    reason: Annotated[str, typer.Option(help="For the audit: the request's number, nothing of the person.")],
    config: ConfigOption = DEMO,
    data: DataOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say where they stand.")] = False,
    lock_timeout: TimeoutOption = 0.0,
    json_output: JsonOption = False,
) -> None:
    """Take customers out of everything that was written: scores, decisions, lists; the tables stay their owner's.

    Example: netlift erase 000123 000124 --reason "request 17"
    """
    from netlift.pipelines.erase import erase_customers

    result = erase_customers(
        load_business(config, data),
        customers,
        reason=reason,
        fresh_key=os.urandom(32),
        now=now(),
        lock_timeout=lock_timeout,
        dry_run=dry_run,
    )
    show(result, json_output=json_output, config=config)


def prune(
    keep: Annotated[int, typer.Option(min=1, help="Days to keep; what a readout still needs stays longer.")],
    config: ConfigOption = DEMO,
    data: DataOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go, in bytes.")] = False,
    lock_timeout: TimeoutOption = 0.0,
    json_output: JsonOption = False,
) -> None:
    """Remove old scores, decision logs, evidence and superseded models; champions and open outcome windows stay.

    Example: netlift prune --keep 180 --dry-run
    """
    from netlift.pipelines.prune import prune_business

    result = prune_business(
        load_business(config, data), keep_days=keep, now=now(), lock_timeout=lock_timeout, dry_run=dry_run
    )
    show(result, json_output=json_output, config=config)


def doctor(
    config: ConfigOption = DEMO,
    data: DataOption = None,
    fix: Annotated[
        bool, typer.Option("--fix", help="End orphaned runs, sweep half-written files, remake a next best offer.")
    ] = False,
    json_output: JsonOption = False,
) -> None:
    """Say what is wrong here: store, champions, next best offer, leftovers of killed jobs; mend it with --fix.

    Example: netlift doctor --fix
    """
    from netlift.pipelines.doctor import examine_business

    examination = examine_business(load_business(config, data), fix=fix, now=now(), experiments=EXPERIMENTS)
    show(examination, json_output=json_output, config=config)
    if not examination.well:
        raise NetliftError("something is not well, see above")


def register(app: typer.Typer) -> None:
    """Add the verbs to the command line."""
    for verb in (erase, prune, doctor):
        app.command()(verb)


__all__ = ["doctor", "erase", "prune", "register"]
