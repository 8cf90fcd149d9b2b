"""Files of a stored run as somebody takes them away; a PDF that the verb did not print is printed from its page."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from starlette.responses import Response

from netlift.data.write import write_bytes
from netlift.errors import BusyError, ConfigError
from netlift.report.pdf import find_browser, to_pdf
from netlift.web.store import NotStoredError, Run
from netlift.web.visit import Visit

TYPES: Mapping[str, str] = {
    "html": "text/html; charset=utf-8",
    "pdf": "application/pdf",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "json": "application/json",
    "md": "text/markdown; charset=utf-8",
    "csv": "text/csv; charset=utf-8",
    "yaml": "application/yaml",
    "txt": "text/plain; charset=utf-8",
}
WAIT_SECONDS = 60.0
_PRINTER = threading.Lock()


def list_exports(run: Run) -> tuple[str, ...]:
    """Names of the files that can be taken away; a PDF too where there is a page and a browser to print it."""
    names = [name for name in run.files() if Path(name).suffix[1:] in TYPES]
    page = next((Path(name) for name in names if name.endswith(".html")), None)
    if page is not None and (pdf := f"{page.stem}.pdf") not in names and _browser() is not None:
        names.append(pdf)
    return tuple(sorted(names, key=lambda name: list(TYPES).index(Path(name).suffix[1:])))


def read_export(run: Run, name: str, state: Path) -> bytes:
    """A file of a run, held against its manifest.

    Args:
        run: The run.
        name: Of the file.
        state: Folder of the business's state, which keeps what was printed.

    Raises:
        NotStoredError: It has none of that name.
        GateRefusedError: It is not what the verb wrote.
        BusyError: Another page was being printed for a minute.
    """
    if name in run.files() or name not in list_exports(run):
        return run.path(name).read_bytes()
    page = run.path(f"{Path(name).stem}.html")
    kept = state / "desk" / "prints" / f"{run.kind}-{run.key}-{run.mark}.pdf"
    if not _PRINTER.acquire(timeout=WAIT_SECONDS):
        raise BusyError("another page is being printed; try again in a minute")
    try:
        if not kept.exists():
            write_bytes(kept, to_pdf(page.read_bytes(), browser=_browser()))
        return kept.read_bytes()
    finally:
        _PRINTER.release()


@cache
def _browser() -> Path | None:
    try:
        return find_browser()
    except ConfigError:
        return None


def give_file(visit: Visit, kind: str, key: str, name: str) -> Response:
    """A file of a run to save; the journal keeps who took it.

    Raises:
        NotStoredError: The run has no such file, or it is none that is given out: tables hold rows of customers.
    """
    run = visit.store.run(kind, key)
    if Path(name).suffix[1:] not in TYPES:
        raise NotStoredError(f"{kind} {key} gives out no file {name}")
    content = read_export(run, name, visit.desk.settings.state)
    visit.record("export", kind=kind, run_key=key, file=name)
    saved = f"{key}{Path(name).suffix}" if Path(name).stem in (kind, kind.removesuffix("s")) else f"{key}-{name}"
    headers = {"content-disposition": f'attachment; filename="{saved}"'}
    return visit.keep(Response(content, media_type=TYPES[Path(name).suffix[1:]], headers=headers))


__all__ = ["give_file", "list_exports"]
