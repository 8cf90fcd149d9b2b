"""A desk over a small market, asked as browsers and programs ask it."""

from __future__ import annotations

import itertools
import re
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path

import yaml
from readout_world import CHECKOUT, make_market
from starlette.testclient import TestClient

from netlift.config.business import load
from netlift.web.access import Access, AccessSettings
from netlift.web.app import create_app

NOW = datetime(2026, 5, 2, 9, tzinfo=UTC)
SECRET = b"a key of sessions for the tests."
CSRF = re.compile(r'name="csrf" value="([0-9a-f]+)"')


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def pass_by(self, **time: float) -> None:
        self.now += timedelta(**time)


def make_shop(folder: Path, customers: int = 800) -> Path:
    """The config of a market with campaigns of known effect, and its tables."""
    market, tables = make_market(customers), {}
    for table in fields(market):
        getattr(market, table.name).to_parquet(folder / f"{table.name}.parquet")
        tables[table.name] = {"path": str(folder / f"{table.name}.parquet")}
    return write_config(folder, {"tables": tables})


def write_config(folder: Path, data: dict) -> Path:
    """The demo's config with a state of its own, with other data where given, without models and decisions."""
    content = yaml.safe_load((CHECKOUT / "configs/demo.yaml").read_text(encoding="utf-8"))
    content |= {"state": str(folder / "var"), "readout": {"tolerance": 100}}
    content |= {"data": data} if data else {}
    content["models"] = {"uplift": str(CHECKOUT / "models/uplift.yaml")}
    for block in ("segments", "decision", "retention"):
        content.pop(block, None)
    (folder / "shop.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    return folder / "shop.yaml"


def open_desk(config: Path, access: AccessSettings | None = None, *, clock=None, experiments=None, file=None):
    """The desk of a config as an application."""
    numbers = itertools.count(1)
    return create_app(
        load(config),
        config=config,
        experiments=experiments or config.parent / "experiments",
        access=Access(secret=SECRET, settings=access, file=file),
        clock=clock or (lambda: NOW),
        fresh=lambda: f"fresh{next(numbers):027d}",
    )


def browse(app, *, base: str = "http://localhost", address: str = "127.0.0.1", language: str = "en") -> TestClient:
    """A browser of one language that follows no redirects."""
    return TestClient(
        app,
        base_url=base,
        client=(address, 50_000),
        follow_redirects=False,
        headers={"accept-language": language},
        raise_server_exceptions=True,
    )


def send(browser: TestClient, page: str, action: str, **fields):
    """Open a page, and send a form with the token that the page gave."""
    token = CSRF.search(browser.get(page).text)[1]
    return browser.post(action, data={"csrf": token, **fields})
