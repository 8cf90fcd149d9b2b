"""A run of decisions as a page for people, in every language that netlift speaks: one file each, nothing loaded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from netlift.data.write import write_bytes
from netlift.decision.summary import DecisionSummary
from netlift.report.exports import to_html
from netlift.report.pages.decision import decision_document
from netlift.report.words import LANGUAGES, Words

PAGES = {f"page_{language}": f"decisions_{language}.html" for language in LANGUAGES}


def write_pages(folder: Path, summary: DecisionSummary, languages: Sequence[Words]) -> None:
    """Write the pages of a run; the same run gives the same bytes.

    Args:
        folder: Where to.
        summary: What was decided.
        languages: The words of each language, with what the business calls its offers.
    """
    for words in languages:
        where = f"out/decisions/{summary.run_key}"
        document = decision_document(summary, words, path=where, written=True, in_full=True)
        write_bytes(folder / PAGES[f"page_{words.language}"], to_html(document))


__all__ = ["PAGES", "write_pages"]
