"""A run of decisions as a page for people, in every language that netlift speaks: one file each, nothing loaded."""

from __future__ import annotations

from pathlib import Path

from netlift.data.write import write_bytes
from netlift.decision.summary import DecisionSummary
from netlift.report.exports import to_html
from netlift.report.pages.decision import decision_document
from netlift.report.words import LANGUAGES, speak

PAGES = {f"page_{language}": f"decisions_{language}.html" for language in LANGUAGES}


def write_pages(folder: Path, summary: DecisionSummary) -> None:
    """Write the pages of a run; the same run gives the same bytes.

    Args:
        folder: Where to.
        summary: What was decided.
    """
    for language in LANGUAGES:
        where = f"out/decisions/{summary.run_key}"
        document = decision_document(summary, speak(language), path=where, written=True, in_full=True)
        write_bytes(folder / PAGES[f"page_{language}"], to_html(document))


__all__ = ["PAGES", "write_pages"]
