"""What tests of several folders share."""

from __future__ import annotations

from pathlib import Path

import pytest

from netlift.registry.offline import offline_mlflow
from netlift.registry.schema import create_schema


@pytest.fixture(scope="session")
def store_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty mlflow store, made once: `open_store(..., template=store_template)` copies it in a tenth of a second."""
    offline_mlflow()
    database = tmp_path_factory.mktemp("template") / "empty.db"
    create_schema(database)
    return database
