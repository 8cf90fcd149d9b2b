"""PDF of a page, printed by a local Chromium."""

from __future__ import annotations

import os
import shutil
import subprocess  # the browser is a program of its own
import tempfile
from pathlib import Path

from netlift.errors import ConfigError, NetliftError

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
LONGEST_SECONDS = 120.0
SHOWN = 300


def find_browser(named: Path | None = None) -> Path:
    """The browser that prints.

    Args:
        named: Where it is; searched on the path of programs when None.

    Raises:
        ConfigError: There is none.

    Examples:
        >>> find_browser(Path("/nowhere/chromium"))
        Traceback (most recent call last):
        netlift.errors.ConfigError: no browser at /nowhere/chromium: a PDF needs Chromium; install it or name another
    """
    if named is not None:
        if named.is_file() and os.access(named, os.X_OK):
            return named
        raise ConfigError(f"no browser at {named}: a PDF needs Chromium; install it or name another")
    for name in BROWSERS:
        found = shutil.which(name)
        if found:
            return Path(found)
    raise ConfigError(
        f"no browser found ({', '.join(BROWSERS)}): a PDF needs Chromium; install it, name its place, or take the "
        "HTML page and print it"
    )


def to_pdf(page: bytes, *, browser: Path | None = None, seconds: float = LONGEST_SECONDS) -> bytes:
    """Print one self-contained HTML page.

    Args:
        page: The page, as `exports.to_html` writes it.
        browser: Where Chromium is; searched when None.
        seconds: How long it may take.

    Returns:
        The PDF.

    Raises:
        ConfigError: There is no browser.
        NetliftError: It did not answer in time, or wrote no PDF.
    """
    program = find_browser(browser)
    with tempfile.TemporaryDirectory(prefix="netlift-pdf-") as folder:
        source, target = Path(folder, "page.html"), Path(folder, "page.pdf")
        source.write_bytes(page)
        command = [
            str(program),
            "--headless",
            "--disable-gpu",
            "--disable-extensions",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--host-resolver-rules=MAP * ~NOTFOUND",
            f"--user-data-dir={folder}/profile",
            "--no-pdf-header-footer",
            f"--print-to-pdf={target}",
            *(["--no-sandbox"] if os.geteuid() == 0 else []),
            source.as_uri(),
        ]
        try:
            done = subprocess.run(command, capture_output=True, timeout=seconds, check=False)
        except subprocess.TimeoutExpired:
            raise NetliftError(f"{program} printed no PDF within {seconds:g} s; try again, or print the HTML") from None
        if done.returncode != 0 or not target.is_file():
            said = done.stderr.decode(errors="replace").strip()[-SHOWN:]
            raise NetliftError(f"{program} printed no PDF (exit code {done.returncode}): {said}")
        return target.read_bytes()


__all__ = ["find_browser", "to_pdf"]
