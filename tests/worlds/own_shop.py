"""The package of the how-to of own parts, as its text has it, and tables of a shop that has more than the contract."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path

import pytest
import yaml

HOW_TO = (Path(__file__).parents[2] / "docs/how-to/own-parts.md").read_text()
BLOCKS = re.findall(r"```yaml\n(.*?)```", HOW_TO, re.DOTALL)
WRITTEN = {
    key: value for block in BLOCKS if not block.startswith("# models/") for key, value in yaml.safe_load(block).items()
}
"""What the how-to writes into config and definition."""
OWN_TASK = next(block for block in BLOCKS if block.startswith("# models/opens_ticket.yaml"))
"""The definition of an own task, as the how-to has it."""


def open_shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The package of the how-to, importable, with its entry points."""
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    for code in re.findall(r"```python\n(.*?)```", HOW_TO, re.DOTALL):
        (tmp_path / re.match(r"# (\S+)", code).group(1)).write_text(code)
    (folder / "leaks.py").write_text(
        "from netlift.features.own_features import OwnFeature\n"
        "late = OwnFeature(name='late', table='contacts', unit='', formula='',\n"
        "                  value=lambda seen: seen.delivered_at.max().epoch_seconds())\n"
        "half = dict()\n"
        "rowwise = OwnFeature(name='rowwise', table='events', unit='', formula='', value=lambda seen: seen.cutoff)\n"
    )
    installed = tmp_path / "shop-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: shop\nVersion: 1.0\n")
    groups = re.search(r"```toml\n(.*?)```", HOW_TO, re.DOTALL).group(1).replace("project.entry-points.", "")
    (installed / "entry_points.txt").write_text(groups.replace('"', ""))
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in [name for name in sys.modules if name.partition(".")[0] == "shop"]:
        monkeypatch.delitem(sys.modules, name)
    importlib.invalidate_caches()
    return tmp_path


def forget(monkeypatch: pytest.MonkeyPatch, shop: Path) -> None:
    """The package is not installed here."""
    monkeypatch.setattr(sys, "path", [place for place in sys.path if place != str(shop)])
    for name in [name for name in sys.modules if name.partition(".")[0] == "shop"]:
        monkeypatch.delitem(sys.modules, name)


__all__ = ["HOW_TO", "OWN_TASK", "WRITTEN", "forget", "open_shop"]
