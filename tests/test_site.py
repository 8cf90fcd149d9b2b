"""The site of the documentation: what its menu and its reference name is there, and nothing public is left out."""

import re
import tomllib
from importlib import import_module
from pathlib import Path

import netlift

ROOT = Path(__file__).parents[1]
NAV = tomllib.loads((ROOT / "zensical.toml").read_text())["project"]["nav"]
LISTED = {"docs/adr/README.md", "experiments/README.md"}  # written by `make docs`


def pages(nav):
    for entry in nav:
        for place in entry.values():
            yield from pages(place) if isinstance(place, list) else [place]


def test_the_menu_has_every_page_that_is_there_and_no_other():
    named = set(pages(NAV))
    assert all((ROOT / page).is_file() for page in named - LISTED)
    for folder in ("how-to", "notebooks", "reference", "ru"):
        assert {str(page.relative_to(ROOT)) for page in (ROOT / "docs" / folder).glob("*.md")} <= named
    assert {page.stem for page in (ROOT / "notebooks").glob("*.py")} == {
        page.stem for page in (ROOT / "docs/notebooks").glob("*.md")
    }


def test_the_reference_names_what_can_be_imported_and_everything_public():
    told = re.findall(r"^::: (\S+)$", "\n".join(p.read_text() for p in (ROOT / "docs/reference").glob("*.md")), re.M)
    for name in told:
        module, _, attribute = name.rpartition(".")
        assert getattr(import_module(module), attribute).__doc__, name
    assert {".".join(place) for place in netlift._PLACES.values()} <= set(told)
