"""One small market with a readout of its campaign, for all tests of the desk."""

import shutil
from pathlib import Path

import pytest
import yaml
from desk_world import NOW, make_shop

from netlift.config.business import load
from netlift.pipelines.readout import ReadoutOrder, make_readout
from netlift.progress import Silent


@pytest.fixture(scope="session")
def shop_with_readout(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("desk")
    config = make_shop(folder)
    make_readout(load(config), ReadoutOrder(target="K1", language="ru"), progress=Silent(), now=NOW, lock_timeout=0.0)
    return config


@pytest.fixture
def shop_to_change(shop_with_readout, tmp_path) -> Path:
    """A config whose state is a copy."""
    content = yaml.safe_load(shop_with_readout.read_text(encoding="utf-8"))
    shutil.copytree(content["state"], tmp_path / "var")
    (tmp_path / "shop.yaml").write_text(yaml.safe_dump({**content, "state": str(tmp_path / "var")}), encoding="utf-8")
    return tmp_path / "shop.yaml"
