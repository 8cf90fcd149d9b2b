"""The small shop in which decisions are made by hand-made champions."""

from __future__ import annotations

import shutil

import pytest
from decide_world import make_world, touch


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """The shop's folder, for the tests of a file that do not change it."""
    folder = tmp_path_factory.mktemp("shop")
    make_world(folder, customers=300)
    return folder


@pytest.fixture
def world(shop, tmp_path):
    """A copy of the shop to break."""
    shutil.copytree(shop / "var" / "demo", tmp_path / "var" / "demo")
    touch(tmp_path)
    return tmp_path
