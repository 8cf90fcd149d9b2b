"""One request of a known person: language, theme, the desk's parts, and the pages and records made for it."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import parse_qs
from zoneinfo import ZoneInfo

from fastapi import Depends, HTTPException, Request
from jinja2 import Environment
from starlette.responses import HTMLResponse, RedirectResponse, Response

from netlift.config.business import BusinessSettings
from netlift.registry.audit import append_entry
from netlift.registry.locks import exclusive
from netlift.report.language import LANGUAGES, Words
from netlift.text import clean
from netlift.web.access import SESSION_HOURS, Access, Person, Role
from netlift.web.jobs import Job, Jobs
from netlift.web.store import Store

Theme = Literal["auto", "light", "dark"]
THEMES: tuple[Theme, ...] = ("auto", "light", "dark")
AnyResponse = TypeVar("AnyResponse", bound=Response)
SESSION, MOST_FIELDS = "netlift_session", 200
JOURNAL = "desk/journal.jsonl"


@dataclass(frozen=True, kw_only=True)
class Desk:
    """What all requests share.

    Attributes:
        settings: The business.
        config: Its file, for the verbs that jobs start.
        experiments: Folder of plans.
        store: Stored runs.
        jobs: Ordered jobs.
        access: Who may what.
        clock: Tells the time.
        fresh: Makes random text, for sessions and ids.
        templates: Of the pages.
        words: Of each language, with the names of the business.
    """

    settings: BusinessSettings
    config: Path
    experiments: Path
    store: Store
    jobs: Jobs
    access: Access
    clock: Callable[[], datetime]
    fresh: Callable[[], str]
    templates: Environment
    words: Mapping[str, Words]

    @property
    def journal(self) -> Path:
        """The file of acts: exports, approvals, kills, decisions; each line chained to the one before."""
        return self.settings.state / JOURNAL

    def record(self, person: Person, act: str, **fields: Any) -> None:
        """Add an act to the journal.

        Args:
            person: Who did it.
            act: What was done, such as export or approve.
            fields: What it was done to; nothing of customers.

        Raises:
            ModelIntegrityError: The journal was changed.
            BusyError: Another process wrote it for ten seconds.
        """
        with exclusive(self.settings.state / "locks" / "journal.lock", timeout_seconds=10, holder=f"desk {act}"):
            entry = {"at": self.clock().isoformat(), "act": act, "who": person.name, "role": person.role, **fields}
            append_entry(self.journal, entry)


@dataclass(frozen=True, kw_only=True)
class Visit:
    """A request of a person who may make it.

    Attributes:
        desk: What all requests share.
        request: The request.
        person: Who asks.
        words: In the reader's language, with the names of the business.
        nonce: The session's own random text.
        is_new: Whether the session begins with this answer.
    """

    desk: Desk
    request: Request
    person: Person
    words: Words
    nonce: str
    is_new: bool

    @property
    def store(self) -> Store:
        """Stored runs."""
        return self.desk.store

    @property
    def now(self) -> datetime:
        """The time in the business's zone."""
        return self.desk.clock().astimezone(ZoneInfo(self.desk.settings.time_zone))

    @cached_property
    def csrf(self) -> str:
        """What a form of this page carries."""
        return self.desk.access.csrf_token(self.nonce)

    def say(self, key: str, /, **values: str) -> str:
        """A text of the desk, by its key below `desk.`."""
        return self.words.say(f"desk.{key}", **values)

    def moment(self, moment: datetime) -> str:
        """A moment in the business's zone, as the reader's language writes it."""
        from babel.dates import format_datetime

        local = moment.astimezone(ZoneInfo(self.desk.settings.time_zone))
        return str(format_datetime(local, "d MMMM y, HH:mm", locale=self.words.locale))

    def since(self, moment: str) -> str:
        """A moment as a record holds it, written for the reader."""
        return self.moment(datetime.fromisoformat(moment)) if moment else ""

    def render(self, template: str, /, *, status: int = 200, **context: Any) -> HTMLResponse:
        """A page from a template of `web/templates`, which sees `visit`, `words` and what is given.

        Args:
            template: Its file name.
            status: Of the answer.
            context: What it shows.
        """
        text = render(self.desk, self.request, template, person=self.person, csrf=self.csrf, visit=self, **context)
        return self.keep(HTMLResponse(text, status_code=status))

    def go(self, path: str) -> RedirectResponse:
        """Send the reader on after a form."""
        return self.keep(RedirectResponse(path, status_code=303))

    def keep(self, answer: AnyResponse) -> AnyResponse:
        """An answer that begins the session where none was."""
        if self.is_new:
            begin_session(answer, self.request, self.nonce)
        return answer

    def record(self, act: str, **fields: Any) -> None:
        """Add an act of the person to the journal; nothing of customers in it."""
        self.desk.record(self.person, act, **fields)

    def order(self, verb: str, arguments: tuple[str, ...], *, subject: str) -> Job:
        """Order a verb as a job; jobs of one campaign wait for each other by the verb's own lock.

        Args:
            verb: Of the command line.
            arguments: Behind it, without `--config`; what people typed stands behind `--`.
            subject: What it is about, as people call it.
        """
        return self.desk.jobs.order(
            self.desk.fresh(), verb, arguments, subject=subject, who=self.person.name, now=self.desk.clock()
        )


class SignInNeededError(Exception):
    """Nobody is known to ask."""


def visitor(role: Role) -> Callable[[Request], Awaitable[Visit]]:
    """A dependency that lets in who has a role, and refuses others.

    Args:
        role: The least that is needed.
    """

    async def visit(request: Request) -> Visit:
        desk: Desk = request.app.state.desk
        now = desk.clock()
        cookie = request.cookies.get(SESSION, "")
        address = request.client.host if request.client else ""
        person = desk.access.identify(request.headers, address, cookie, now)
        if person is None:
            raise SignInNeededError
        if not person.may(role):
            raise HTTPException(403, f"this needs the role {role}")
        session = desk.access.read_session(cookie, now)
        return Visit(
            desk=desk,
            request=request,
            person=person,
            words=desk.words[language_of(request)],
            nonce=session["nonce"] if session else desk.fresh(),
            is_new=session is None,
        )

    return visit


Reader = Annotated[Visit, Depends(visitor("reader"))]
Analyst = Annotated[Visit, Depends(visitor("analyst"))]
Operator = Annotated[Visit, Depends(visitor("operator"))]


def language_of(request: Request) -> str:
    """The reader's language: asked for in the address, kept in a cookie, or said by the browser; else Russian."""
    asked = request.query_params.get("lang", request.cookies.get("language", ""))
    spoken = request.headers.get("accept-language", "")[:2].lower()
    return next((each for each in (asked, spoken) if each in LANGUAGES), "ru")


def theme_of(request: Request) -> Theme:
    """The theme that the reader chose; the screen's own where none was."""
    return next((theme for theme in THEMES if theme == request.cookies.get("theme")), "auto")


class FormFields:
    """The fields of a form, cleaned of letters that steer."""

    def __init__(self, fields: Mapping[str, list[str]]) -> None:
        self._fields = fields

    def text(self, name: str, default: str = "") -> str:
        """The field's text; the last where it came twice."""
        return clean(self._fields.get(name, [default])[-1])

    def texts(self, name: str) -> tuple[str, ...]:
        """All values of a field that may be chosen several times."""
        return tuple(text for text in map(clean, self._fields.get(name, ())) if text)

    def number(self, name: str) -> float | None:
        """The field's number, with a decimal comma or point; None where it is empty.

        Raises:
            ValueError: It is none.
        """
        text = self.text(name).replace("\xa0", "").replace(" ", "").replace(",", ".")
        return float(text) if text else None


async def read_form(request: Request) -> FormFields:
    """A dependency: the fields of a form that this session's page sent.

    Raises:
        HTTPException: 403 where the form carries no token of this session; 400 where it is none.
    """
    desk: Desk = request.app.state.desk
    try:
        fields = parse_qs(
            (await request.body()).decode(), keep_blank_values=True, strict_parsing=False, max_num_fields=MOST_FIELDS
        )
    except ValueError as error:
        raise HTTPException(400, "this is no form of the desk") from error
    session = desk.access.read_session(request.cookies.get(SESSION, ""), desk.clock())
    given = fields.get("csrf", [""])[-1]
    if session is None or not hmac.compare_digest(given.encode(), desk.access.csrf_token(session["nonce"]).encode()):
        raise HTTPException(403, "the form is too old or came from elsewhere: open its page again")
    return FormFields(fields)


Form = Annotated[FormFields, Depends(read_form)]


def render(desk: Desk, request: Request, template: str, /, **context: Any) -> str:
    """A template in the reader's language and theme."""
    return desk.templates.get_template(template).render(
        words=desk.words[language_of(request)], theme=theme_of(request), path=request.url.path, **context
    )


def show_plain(request: Request, template: str, /, *, status: int = 200, **context: Any) -> HTMLResponse:
    """A page for who may not be known: of signing in, or of a refusal."""
    desk: Desk = request.app.state.desk
    session = desk.access.read_session(request.cookies.get(SESSION, ""), desk.clock())
    nonce = session["nonce"] if session else desk.fresh()
    text = render(desk, request, template, person=None, csrf=desk.access.csrf_token(nonce), **context)
    answer = HTMLResponse(text, status_code=status)
    if session is None:
        begin_session(answer, request, nonce)
    return answer


def begin_session(answer: Response, request: Request, nonce: str, name: str = "") -> None:
    """Put a new session into its cookie.

    Args:
        answer: That carries it.
        request: That is answered.
        nonce: Random text, the session's own.
        name: Of the token's holder; empty where nobody signed in.
    """
    desk: Desk = request.app.state.desk
    content, secure = desk.access.open_session(nonce, name, desk.clock()), request.url.scheme == "https"
    life = SESSION_HOURS * 3600
    answer.set_cookie(SESSION, content, max_age=life, httponly=True, samesite="strict", secure=secure)


def within(path: str) -> str:
    """An address of the desk itself; the start page in place of any other.

    Examples:
        >>> within("/readouts?lang=en"), within("//elsewhere.example"), within("https://elsewhere.example")
        ('/readouts?lang=en', '/', '/')
    """
    inside = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if inside else "/"


__all__ = [
    "Analyst",
    "Desk",
    "Form",
    "FormFields",
    "Operator",
    "Reader",
    "Visit",
    "read_form",
    "show_plain",
    "visitor",
    "within",
]
