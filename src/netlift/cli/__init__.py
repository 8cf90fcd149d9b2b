"""The command line: reads clock, seed and terminal, calls a pipeline and prints its result."""

from __future__ import annotations

import os
import signal
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from netlift.cli import decisions, desk, experiments, upkeep
from netlift.cli import demo as demo_verb
from netlift.cli import forecast as forecast_verb
from netlift.cli.job import Verbs
from netlift.cli.terminal import (
    DEMO,
    EXPERIMENTS,
    JOB,
    STOP,
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
from netlift.data.write import resource_error
from netlift.errors import OUT_OF_MEMORY, NetliftError, ResourceError, UsageError
from netlift.text import clean_lines

INTERNAL_ERROR = 70
SIGNS_OF_NO_MEMORY = ("failed to map segment", "Cannot allocate memory", "bad_alloc", "can't start new thread")
INTERRUPTED = 130
INTERRUPTION = "interrupted; nothing half-written was left, rerun the same command"

app = Verbs(
    JOB,
    name="netlift",
    help="Customer value management measured in money: who is leaving, what each is worth, whom a contact changes.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"netlift {version('netlift')}")
        raise typer.Exit()


@app.callback()
def main_options(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_show_version, help="Show the version and leave.")
    ] = False,
) -> None:
    """Customer value management measured in money: who is leaving, what each is worth, whom a contact changes."""


@app.command()
def simulate(
    config: ConfigOption = DEMO,
    customers: Annotated[int, typer.Option(min=200, help="How many customers.")] = 20_000,
    seed: Annotated[int, typer.Option(min=0, help="The same seed and size give the same bytes.")] = 7,
    end: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="First day that is not simulated.")] = datetime(
        2026, 10, 1
    ),
    preset: Annotated[str, typer.Option(help="The shop: retailer or sports-nutrition.")] = "retailer",
    json_output: JsonOption = False,
) -> None:
    """Write the demo retailer: seven tables, and the truth beside them that training never reads.

    Example: netlift simulate --customers 100000 --seed 3
    """
    from netlift.config.business import load
    from netlift.pipelines.simulate import simulate_business

    with watched(quiet=json_output) as progress:
        result = simulate_business(
            load(config), customers=customers, seed=seed, end=end.date(), progress=progress, preset=preset
        )
    show(result, json_output=json_output, config=config)


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="Folder of the business, which must not exist.")],
    tables: Annotated[
        list[Path] | None, typer.Option("--tables", help="Files or folders of your tables; the demo when left out.")
    ] = None,
    name: Annotated[str, typer.Option(help="Of the business; that of the folder when left out.")] = "",
    currency: Annotated[str, typer.Option(help="ISO code of all money in the tables.")] = "RUB",
    time_zone: Annotated[str, typer.Option(help="Of moments without a zone, by the IANA list.")] = "Europe/Moscow",
    json_output: JsonOption = False,
) -> None:
    """Begin a business: a config with a comment at every choice, definitions of models and a Makefile.

    It looks at the files, proposes which table and column each is, and says what is missing for which question.
    Example: netlift init my-shop --tables clients.csv --tables receipts/ --currency EUR --time-zone Europe/Berlin
    """
    from netlift.pipelines.init import init_business

    with watched(quiet=json_output) as progress:
        result = init_business(
            folder,
            tables or [],
            name=name,
            currency=currency,
            time_zone=time_zone,
            progress=progress,
            now=now(),
        )
    show(result, json_output=json_output, config=DEMO)


@app.command()
def check(config: ConfigOption = DEMO, data: DataOption = None, json_output: JsonOption = False) -> None:
    """Hold the tables against the data contract: what each error leaves out, and which verbs it stops (exit 3).

    Example: netlift check --config configs/online_retail.yaml
    """
    from netlift.pipelines.check import check_business

    report = check_business(load_business(config, data))
    show(report, json_output=json_output, config=config)
    report.raise_for_errors()


@app.command()
def train(
    tasks: Annotated[
        list[str] | None, typer.Argument(help="churn, ltv, uplift; all of the config when left out.")
    ] = None,
    config: ConfigOption = DEMO,
    data: DataOption = None,
    lock_timeout: TimeoutOption = 0.0,
    json_output: JsonOption = False,
) -> None:
    """Train, tune, judge in money, register; a model that passes its gate becomes champion.

    Example: netlift train churn ltv --config configs/cdnow.yaml
    """
    from netlift.pipelines.train import train_business

    with watched(quiet=json_output) as progress:
        report = train_business(
            load_business(config, data),
            tasks=tasks or [],
            progress=progress,
            now=now(),
            lock_timeout=lock_timeout,
        )
    show(report, json_output=json_output, config=config)
    report.raise_for_refusals()


@app.command()
def promote(
    task: Annotated[str, typer.Argument(help="churn, ltv, uplift or next_best_offer.")],
    version: Annotated[int, typer.Option(help="The version to make champion.")],
    reason: Annotated[str, typer.Option(help="Why, for the audit.")],
    expect_current: Annotated[
        int, typer.Option(help="Version that is champion now; 0 for none. Refused when it is another.")
    ],
    config: ConfigOption = DEMO,
    data: DataOption = None,
    lock_timeout: TimeoutOption = 30.0,
    json_output: JsonOption = False,
) -> None:
    """Move the champion alias by hand, to a version whose gate passed or back to one that was champion before.

    The next best offer follows uplift: it is made anew from the champion.
    Example: netlift promote churn --version 2 --expect-current 3 --reason "back to the model before the sale"
    """
    from netlift.pipelines.promote import promote_version

    result = promote_version(
        load_business(config, data),
        task=task,
        version=version,
        expect_current=expect_current or None,
        reason=reason,
        now=now(),
        lock_timeout=lock_timeout,
    )
    show(result, json_output=json_output, config=config)


@app.command()
def score(
    as_of: Annotated[datetime, typer.Option("--as-of", formats=["%Y-%m-%d"], help="First day not seen.")],
    config: ConfigOption = DEMO,
    data: DataOption = None,
    run_key: Annotated[str, typer.Option(help="Name of this job's output; the same key writes the same bytes.")] = "",
    lock_timeout: TimeoutOption = 0.0,
    json_output: JsonOption = False,
) -> None:
    """Score every customer with the champions: one Parquet file and its manifest.

    Example: netlift score --as-of 2026-10-01
    """
    from netlift.pipelines.score import score_business

    with watched(quiet=json_output) as progress:
        result = score_business(
            load_business(config, data),
            as_of=as_of.date(),
            run_key=run_key,
            progress=progress,
            now=now(),
            lock_timeout=lock_timeout,
        )
    show(result, json_output=json_output, config=config)


@app.command()
def segments(
    as_of: Annotated[datetime, typer.Option("--as-of", formats=["%Y-%m-%d"], help="First day not seen.")],
    previous: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="An earlier day, to see who moved since.")
    ] = None,
    config: ConfigOption = DEMO,
    data: DataOption = None,
    refit: Annotated[bool, typer.Option("--refit", help="Freeze new edges in place of those that stand.")] = False,
    pdf: PdfOption = False,
    browser: BrowserOption = None,
    lang: LangOption = "ru",
    run_key: Annotated[str, typer.Option(help="Name of this job's output; the same key writes the same bytes.")] = "",
    lock_timeout: TimeoutOption = 0.0,
    json_output: JsonOption = False,
) -> None:
    """Divide the customers into value segments: money, risk, strategy, migration, acquisition, churn, survival.

    Example: netlift segments --as-of 2026-10-01 --previous 2026-09-01 --lang en
    """
    from netlift.pipelines.segments import SegmentRequest, segment_business

    request = SegmentRequest(
        as_of=as_of.date(),
        previous=None if previous is None else previous.date(),
        language=lang,
        pdf=pdf,
        browser=browser,
        run_key=run_key,
    )
    with watched(quiet=json_output) as progress:
        result = segment_business(
            load_business(config, data), request, progress=progress, now=now(), lock_timeout=lock_timeout, refit=refit
        )
    show(result, json_output=json_output, config=config)


@app.command()
def scorecard(
    months: Annotated[int, typer.Option(min=1, max=60, help="How many whole months to show at most.")] = 12,
    until: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m"], help="The newest month; the last whole one when left out.")
    ] = None,
    lang: LangOption = "ru",
    config: ConfigOption = DEMO,
    data: DataOption = None,
    run_key: Annotated[str, typer.Option(help="Name of this job's output; the same key writes the same bytes.")] = "",
    lock_timeout: TimeoutOption = 0.0,
    json_output: JsonOption = False,
) -> None:
    """The CVM scorecard, month by month and by segment: one page, one workbook, Markdown and JSON.

    Example: netlift scorecard --months 12 --until 2026-09 --lang en
    """
    from netlift.pipelines.scorecard import Request, make_scorecard
    from netlift.scorecards.campaign_effects import find_readouts

    settings = load_business(config, data)
    newest = None if until is None else until.date()
    with watched(quiet=json_output) as progress:
        result = make_scorecard(
            settings,
            Request(months=months, until=newest, language=lang, run_key=run_key),
            readouts=find_readouts(settings.state, EXPERIMENTS),
            progress=progress,
            now=now(),
            lock_timeout=lock_timeout,
        )
    show(result, json_output=json_output, config=config)


experiments.register(app)
decisions.register(app)
forecast_verb.register(app)
demo_verb.register(app)
desk.register(app)
upkeep.register(app)


def main() -> None:
    """Run a command; leave with the exit codes of the README."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("DO_NOT_TRACK", "true")
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # spinning threads burn a busy machine for nothing
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # of linear algebra and trees: whole fits run side by side instead
    signal.signal(signal.SIGTERM, STOP.ask)  # a scheduler's stop is as clean as Ctrl-C
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # a job in the background may ignore it
        signal.signal(signal.SIGINT, STOP.ask)
    exit_code = 0
    try:
        if app(standalone_mode=False) == INTERRUPTED:  # typer makes Ctrl-C a returned exit code
            raise KeyboardInterrupt
    except NetliftError as error:
        _complain(str(error))
        exit_code = INTERRUPTED if STOP.asked else error.exit_code
    except KeyboardInterrupt:
        _complain(INTERRUPTION)
        exit_code = INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the one place where what nobody foresaw becomes an exit code
        exit_code = _leave(error)
    try:
        JOB.end(exit_code)
    except NetliftError as error:  # what the verb did stands, so its exit code does
        _complain(f"{error}; the metrics file was not written")
    if exit_code:
        sys.exit(exit_code)


def _leave(error: Exception) -> int:
    if isinstance(error, typer.Abort) or STOP.asked:
        _complain(INTERRUPTION)
        return INTERRUPTED
    if isinstance(error, typer.exceptions.TyperException):
        getattr(error, "show", lambda: _complain(str(error)))()
        return UsageError.exit_code
    if (refusal := _machine_refusal(error)) is not None:
        _complain(str(refusal))
        return refusal.exit_code
    if os.environ.get("NETLIFT_DEBUG"):
        raise error
    _complain(
        f"internal error ({type(error).__name__}); this is a defect of netlift, not of your data. "
        "Set NETLIFT_DEBUG=1 to see where, and report it"
    )
    return INTERNAL_ERROR


def _machine_refusal(error: Exception) -> ResourceError | None:
    """What no verb foresaw, but the machine is short of: memory, also while a library is loaded, disk, a right."""
    if isinstance(error, MemoryError) or any(word in str(error) for word in SIGNS_OF_NO_MEMORY):
        return ResourceError(OUT_OF_MEMORY)
    return resource_error(error, error.filename or "a file") if isinstance(error, OSError) else None


def _complain(text: str) -> None:
    if JOB.as_json:
        JOB.log("error", "error", message=clean_lines(text))
        return
    sys.stderr.write(f"netlift: {clean_lines(text)}\n")


__all__ = ["app", "main"]
