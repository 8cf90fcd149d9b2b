"""The page of features says what the catalogue holds."""

from __future__ import annotations

from pathlib import Path

from netlift.features.catalogue import build_catalogue, to_markdown
from netlift.features.vocabulary import Vocabulary

PAGE = Path(__file__).parents[2] / "docs" / "features.md"
EXAMPLE = Vocabulary(
    categories=("groceries",),
    channels=("store",),
    contact_channels=("sms",),
    event_kinds=("visit",),
    attributes={"region": ("north",)},
)
HEAD = """# The features

Checked by `tests/features/test_docs.py` against `src/netlift/features/catalogue.py`. `c` is the cutoff: only rows
strictly before it, and known by then, are seen. The catalogue is that of a business with one category (groceries), one
channel (store), one channel of contact (sms), one kind of events (visit) and one attribute (region); each further value
adds its own features. The uplift learner adds posterior means of rates and shares, see ADR 31; they are part of the
model, not of this list.

"""


def test_the_page_of_features_is_that_of_the_catalogue() -> None:
    features = build_catalogue(EXAMPLE)
    assert len(features) >= 60
    page = HEAD + to_markdown(features).rstrip() + "\n"
    assert PAGE.read_text() == page, f"write it anew: {PAGE}"
