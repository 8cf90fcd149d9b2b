"""The desk as an ASGI application: every page's routes, what all share, and what a failure looks like."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from fastapi import FastAPI, HTTPException, Request, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import JSONResponse

from netlift.config.business import BusinessSettings
from netlift.errors import BusyError, GateRefusedError, NetliftError, UsageError
from netlift.report.language import LANGUAGES
from netlift.report.names import speak_of
from netlift.report.palette import THEME
from netlift.text import clean
from netlift.web.access import Access, AccessUnreadableError, TooManyWrongError
from netlift.web.guard import HEADERS, Guard
from netlift.web.jobs import Jobs
from netlift.web.pages import PAGES
from netlift.web.store import NotStoredError, RunStore
from netlift.web.visit import Desk, SignInNeededError, show_plain

HERE = Path(__file__).parent
DOCUMENT_CSS = HERE.parent / "report" / "templates" / "document.css"
TYPES = {".css": "text/css", ".js": "text/javascript", ".txt": "text/plain", ".svg": "image/svg+xml"}
FOR_EVER = "public, max-age=31536000, immutable"


def create_app(
    settings: BusinessSettings,
    *,
    config: Path,
    experiments: Path,
    access: Access,
    clock: Callable[[], datetime],
    fresh: Callable[[], str],
) -> FastAPI:
    """The desk of a business.

    Args:
        settings: The business; its `state` holds the stored runs.
        config: Its file, for the verbs that jobs start.
        experiments: Folder of plans.
        access: Who may what.
        clock: Tells the time, with its zone.
        fresh: Makes random text, for sessions and ids: letters and digits, 24 at least.
    """
    static = _static_files()
    app = FastAPI(title="netlift", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.desk = Desk(
        settings=settings,
        config=config,
        experiments=experiments,
        store=RunStore(settings.state),
        jobs=Jobs(settings.state, access.secret),
        access=access,
        clock=clock,
        fresh=fresh,
        templates=_templates({name.partition(".")[2]: address for name, address in _addresses(static).items()}),
        words={language: speak_of(settings, language) for language in LANGUAGES},
    )
    for page in PAGES:
        app.include_router(page.router)

    @app.get("/static/{name}", include_in_schema=False)
    async def serve_static(name: str) -> Response:
        if name not in static:
            raise HTTPException(404)
        return Response(static[name], media_type=TYPES[Path(name).suffix], headers={"cache-control": FOR_EVER})

    for kind in (SignInNeededError, StarletteHTTPException, NetliftError, Exception):
        app.add_exception_handler(kind, _fail)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=access.hosts, www_redirect=False)
    app.add_middleware(Guard)
    return app


async def _fail(request: Request, error: Exception) -> Response:
    """The answer to what was refused, or failed, as a page or as JSON.

    With the guard's headers, because an unforeseen failure is answered outside of the guard.
    """
    status = next((status for kind, status in STATUS.items() if isinstance(error, kind)), 500)
    if isinstance(error, StarletteHTTPException):
        status = error.status_code
    detail = str(error) if isinstance(error, NetliftError) else str(getattr(error, "detail", ""))
    answer: Response
    if request.url.path.startswith("/api/"):
        said = "sign in with a token" if status == 401 else "the desk failed; its log says at what"
        answer = JSONResponse({"detail": clean(detail) or said}, status_code=status)
    elif status == 401:
        answer = show_plain(request, "sign_in.html", status=401, back=request.url.path, wrong=False)
    else:
        answer = show_plain(request, "error.html", status=status, code=status, detail=clean(detail))
    for name, value in HEADERS.items():
        answer.headers.setdefault(name, value)
    return answer


STATUS: dict[type[Exception], int] = {
    SignInNeededError: 401,
    TooManyWrongError: 429,
    AccessUnreadableError: 503,
    NotStoredError: 404,
    UsageError: 400,
    GateRefusedError: 409,
    BusyError: 503,
}


def _templates(addresses: dict[str, str]) -> Environment:
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_inert,
        auto_reload=False,
    )
    made.globals.update(static=addresses, navigation=[page for page in PAGES if page.path])
    return made


def _inert(value: Any) -> Any:
    """Text without letters that steer; what verbs and templates made as markup stays."""
    return clean(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _static_files() -> dict[str, bytes]:
    """Files by the name in their address, which holds a digest, so that browsers keep them."""
    light, dark = (f"color-scheme: {name}; {_variables(shade)}" for shade, name in enumerate(("light", "dark")))
    themes = [
        f":root {{ {light} }}",
        f'@media screen and (prefers-color-scheme: dark) {{ :root:not([data-theme="light"]) {{ {dark} }} }}',
        f'@media screen {{ :root[data-theme="dark"] {{ {dark} }} }}',
    ]
    css = "\n".join([*themes, DOCUMENT_CSS.read_text(), (HERE / "static" / "desk.css").read_text()]).encode()
    files = {path.name: path.read_bytes() for path in (HERE / "static").iterdir() if path.suffix in TYPES}
    files["desk.css"] = css
    return {f"{sha256(content).hexdigest()[:12]}.{name}": content for name, content in sorted(files.items())}


def _addresses(static: dict[str, bytes]) -> dict[str, str]:
    return {name: f"/static/{name}" for name in static}


def _variables(shade: int) -> str:
    return " ".join(f"--{name}: {colors[shade]};" for name, colors in THEME.items())


__all__ = ["create_app"]
