"""Commands of the marketers' desk: serve it, run its jobs, and let people in."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from netlift.cli.terminal import DEMO, EXPERIMENTS, ConfigOption, JsonOption, load_business, now
from netlift.errors import BusyError
from netlift.text import dump_json

TOKEN_BYTES, FRESH_BYTES = 32, 16


def serve(
    *,
    host: Annotated[str, typer.Option(help="Address to bind; any but loopback needs --access.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 for a free one.")] = 8321,
    access: Annotated[
        Path | None, typer.Option(help="YAML of tokens, names of hosts, or a trusted proxy's addresses.")
    ] = None,
    worker: Annotated[bool, typer.Option("--worker/--no-worker", help="Whether jobs run beside the server.")] = True,
    config: ConfigOption = DEMO,
    json_output: JsonOption = False,
) -> None:
    """The marketers' desk in a browser: stored results, readouts and tests on order, in Russian and English.

    Example: netlift serve --host 0.0.0.0 --access access.yaml
    """
    from netlift.web.access import Access, require_access
    from netlift.web.app import create_app
    from netlift.web.server import read_secret, serve_desk

    allowed, settings = require_access(host, access), load_business(config)
    app = create_app(
        settings,
        config=config.absolute(),
        experiments=EXPERIMENTS,
        access=Access(secret=read_secret(settings.state, _fresh), settings=allowed, file=access),
        clock=now,
        fresh=_fresh,
    )

    def tell(address: str) -> None:
        _say(f"The desk: {address} (Ctrl-C ends it)", {"address": address}, json_output=json_output)

    with suppress(KeyboardInterrupt):  # the usual way to end it
        serve_desk(app, config=config.absolute(), host=host, port=port, with_worker=worker, tell=tell)


def worker(
    *,
    parent: Annotated[int, typer.Option(min=0, help="Process without which this one ends; 0 for none.")] = 0,
    config: ConfigOption = DEMO,
    json_output: JsonOption = False,
) -> None:
    """Run what people order in the desk, two jobs at a time; `netlift serve` starts one unless told not to.

    Example: netlift worker --config configs/shop.yaml
    """
    from netlift.web.server import open_jobs
    from netlift.web.worker import run_worker

    jobs = open_jobs(load_business(config), _fresh)
    try:
        ended = run_worker(jobs, config.absolute(), clock=now, parent=parent)
    except BusyError:
        if not parent:  # a server asks again by itself
            raise
        return
    _say(f"{ended:,} jobs were run.", {"jobs": ended}, json_output=json_output)


def grant(
    name: Annotated[str, typer.Argument(help="Who gets the token, as the journal will name them.")],
    *,
    role: Annotated[str, typer.Option(help="reader, analyst or operator.")],
    access: Annotated[Path, typer.Option(help="The access file; made where it is missing.")],
    json_output: JsonOption = False,
) -> None:
    """Make a person's token and keep its hash; the token is shown once. A name that has one gets another.

    Example: netlift grant "Anna K." --role analyst --access access.yaml
    """
    from netlift.web.access import grant_token

    token = secrets.token_urlsafe(TOKEN_BYTES)
    grant_token(access, name=name, role=role, token=token)
    said = f"{token}\nThe token of {name}, {role}; it stands nowhere else. A running desk lets it in from now on."
    _say(said, {"name": name, "role": role, "token": token}, json_output=json_output)


def register(app: typer.Typer) -> None:
    """Add the verbs to the command line."""
    for verb in (serve, worker, grant):
        app.command()(verb)


def _fresh() -> str:
    return secrets.token_hex(FRESH_BYTES)


def _say(text: str, told: Mapping[str, object], *, json_output: bool) -> None:
    from netlift.results import SCHEMA_VERSION

    sys.stdout.write((dump_json({"schema_version": SCHEMA_VERSION, **told}) if json_output else text) + "\n")
    sys.stdout.flush()


__all__ = ["register"]
