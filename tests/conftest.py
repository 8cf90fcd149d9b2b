"""What tests of several folders share."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import pytest
from filelock import FileLock

from netlift.registry.offline import offline_mlflow
from netlift.registry.schema import create_schema
from netlift.registry.store import Store, open_store

gc.set_threshold(500_000, 20, 20)  # looking through Ibis's many small objects took a tenth of the time of a readout


@pytest.fixture(scope="session")
def store_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty mlflow store, made once: `open_store(..., template=store_template)` copies it in a tenth of a second."""
    offline_mlflow()
    own = tmp_path_factory.getbasetemp()
    database = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "empty.db"  # one for all workers
    with FileLock(database.with_suffix(".lock")):
        if not database.exists():
            create_schema(database)
    return database


@pytest.fixture
def store(tmp_path, store_template) -> Store:
    return open_store(tmp_path / "состояние 1", run_group="demo", template=store_template)
