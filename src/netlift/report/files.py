"""Files of a document: JSON, Markdown, HTML, XLSX and, on request, PDF."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from netlift.report.document import Document
from netlift.report.exports import to_html, to_json, to_markdown, to_xlsx
from netlift.report.pdf import to_pdf

SUFFIXES = ("json", "md", "html", "xlsx")


def name_files(stem: str, *, pdf: bool = False) -> dict[str, str]:
    """Suffix to file name.

    Examples:
        >>> name_files("segments", pdf=True)["pdf"]
        'segments.pdf'
    """
    return {suffix: f"{stem}.{suffix}" for suffix in (*SUFFIXES, *(["pdf"] if pdf else []))}


def write_out(document: Document, result: Any, *, pdf: bool = False, browser: Path | None = None) -> dict[str, bytes]:
    """A document in every form, suffix to content.

    Args:
        document: What people read.
        result: What its JSON holds.
        pdf: Whether a PDF is printed too.
        browser: Where Chromium is; searched when None.
    """
    page = to_html(document)
    contents = {"json": to_json(result), "md": to_markdown(document), "html": page, "xlsx": to_xlsx(document)}
    return contents | ({"pdf": to_pdf(page, browser=browser)} if pdf else {})


__all__ = ["name_files", "write_out"]
