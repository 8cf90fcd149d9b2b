"""What tests of several folders share."""

from __future__ import annotations

import gc
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import vl_convert
from decide_world import make_world, touch
from filelock import FileLock
from hypothesis import settings

from netlift.registry import schema
from netlift.registry import store as registry_store
from netlift.registry.offline import offline_mlflow
from netlift.registry.schema import create_schema
from netlift.registry.store import Store, open_store

settings.register_profile("any machine", deadline=None)  # how long an example takes says how busy the machine is
settings.load_profile("any machine")
gc.set_threshold(500_000, 20, 20)  # looking through Ibis's many small objects took a tenth of the time of a readout


@pytest.fixture(scope="session", autouse=True)
def charts_drawn_once() -> Iterator[None]:
    """A page is asked for by many tests, and most of its time goes to drawing the same charts."""
    known: dict[str, str] = {}

    def draw(spec, **how):
        key = json.dumps([spec, how], sort_keys=True)
        if key not in known:
            known[key] = vegalite_to_svg(spec, **how)
        return known[key]

    vegalite_to_svg = vl_convert.vegalite_to_svg
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vl_convert, "vegalite_to_svg", draw)
        yield


def empty_store(base: Path) -> Path:
    """An empty mlflow store under pytest's folder, made by its migrations once for all workers."""
    database = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "empty.db"
    with FileLock(database.with_suffix(".lock")):
        if not database.exists():
            offline_mlflow()
            create_schema(database)
    return database


@pytest.fixture(scope="session")
def store_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty mlflow store: `open_store(..., template=store_template)` copies it in a tenth of a second."""
    return empty_store(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="session", autouse=True)
def stores_copied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A verb that makes its store copies the empty one too: migrations took three seconds in every new folder."""

    def bring(database: Path, *, artifacts: Path, template: Path | None = None) -> None:
        made = template or empty_store(tmp_path_factory.getbasetemp())
        schema.bring_current(database, artifacts=artifacts, template=made)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry_store, "bring_current", bring)
        yield


@pytest.fixture
def store(tmp_path, store_template) -> Store:
    return open_store(tmp_path / "состояние 1", run_group="demo", template=store_template)


@pytest.fixture(scope="module")
def shop(tmp_path_factory) -> Path:
    """The folder of a small shop with champions made by hand, for the tests of a file that do not change it."""
    folder = tmp_path_factory.mktemp("shop")
    make_world(folder, customers=300)
    return folder


@pytest.fixture
def world(shop, tmp_path) -> Path:
    """A copy of the shop to break."""
    shutil.copytree(shop / "var" / "demo", tmp_path / "var" / "demo")
    touch(tmp_path)
    return tmp_path
