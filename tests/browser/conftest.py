"""Two desks on sockets of this machine, and Chromium in front of them."""

from __future__ import annotations

import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import uvicorn
from decide_world import configure, decide, make_world
from desk_money import with_approval, write_portfolio
from desk_world import NOW, SECRET, make_shop

from netlift.config.business import load
from netlift.pipelines.readout import ReadoutOrder, make_readout
from netlift.progress import Silent
from netlift.web.access import Access
from netlift.web.app import create_app
from netlift.web.jobs import Jobs

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip
SIZES = {"phone": (390, 844), "desktop": (1280, 800)}


@dataclass(frozen=True)
class Served:
    """A desk that answers."""

    address: str
    config: Path
    clock: datetime

    @property
    def jobs(self) -> Jobs:
        return Jobs(load(self.config).state, SECRET)


@contextmanager
def serve(config: Path, now: datetime) -> Iterator[Served]:
    texts = (f"fresh{number:027d}" for number in range(1_000_000))
    app = create_app(
        load(config),
        config=config,
        experiments=config.parent / "experiments",
        access=Access(secret=SECRET),
        clock=lambda: now,
        fresh=lambda: next(texts),
    )
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
        thread.start()
        yield Served(f"http://127.0.0.1:{bound.getsockname()[1]}", config, now)
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="session")
def tests_desk(tmp_path_factory) -> Iterator[Served]:
    """A desk of a market with a readout in Russian; the one in English is for a test to order."""
    folder = tmp_path_factory.mktemp("tests")
    config = make_shop(folder)
    make_readout(load(config), ReadoutOrder(target="K1", language="ru"), progress=Silent(), now=NOW, lock_timeout=0.0)
    with serve(config, NOW) as served:
        yield served


@pytest.fixture(scope="session")
def money_template(tmp_path_factory) -> tuple[Path, Path]:
    """The folder and config of a business with a portfolio and lists that wait."""
    folder = tmp_path_factory.mktemp("money")
    make_world(folder, customers=300)
    config = configure(folder, with_approval)
    with pytest.MonkeyPatch.context() as patch:
        decide(config, patch)
    write_portfolio(load(config).state)
    return folder, config


@pytest.fixture(scope="session")
def money_desk(money_template) -> Iterator[Served]:
    """Its desk, to look at."""
    with serve(money_template[1], datetime(2026, 10, 1, 6, 0, tzinfo=UTC)) as served:
        yield served


@pytest.fixture
def money_desk_to_change(money_template, tmp_path) -> Iterator[Served]:
    """A desk over a copy, to act upon."""
    folder, config = money_template
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True, copy_function=shutil.copy2)
    with serve(tmp_path / config.relative_to(folder), datetime(2026, 10, 1, 6, 0, tzinfo=UTC)) as served:
        yield served


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright  # of requirements-browser.lock, as `make test-browser` installs it

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=QUIET)
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium):
    """A page of a browser in a language, theme and size, that waits ten seconds at most for anything."""
    opened = []

    def open_in(language: str = "en", theme: str = "light", size: str = "desktop") -> Page:
        width, height = SIZES[size]
        context = chromium.new_context(
            locale=language,
            color_scheme=theme,
            viewport={"width": width, "height": height},
            has_touch=size == "phone",
            accept_downloads=True,
        )
        opened.append(context)
        page = context.new_page()
        page.set_default_timeout(30_000)
        return page

    yield open_in
    for context in opened:
        context.close()
