"""Signing in and out, and the reader's language and theme."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from netlift.report.language import LANGUAGES
from netlift.web.visit import SESSION, THEMES, Desk, Form, Reader, begin_session, show_plain, within

router = APIRouter(include_in_schema=False)
YEAR = 365 * 86_400


@router.get("/preferences")
def keep_preference(visit: Reader, language: str = "", theme: str = "", back: str = "/") -> Response:
    """Keep the language or the theme in a cookie, and go back."""
    answer = visit.go(within(back))
    for name, value, known in (("language", language, LANGUAGES), ("theme", theme, THEMES)):
        if value in known:
            answer.set_cookie(name, value, max_age=YEAR, samesite="strict", httponly=True)
    return answer


@router.get("/sign-in")
def ask_token(request: Request, back: str = "/") -> Response:
    """The form that asks for a token."""
    return show_plain(request, "sign_in.html", back=within(back), wrong=False)


@router.post("/sign-in")
def sign_in(request: Request, form: Form) -> Response:
    """Begin a session of the token's holder."""
    desk: Desk = request.app.state.desk
    address = request.client.host if request.client else ""
    person = desk.access.by_token(form.text("token"), address, desk.clock())
    if person is None:
        return show_plain(request, "sign_in.html", status=401, back=within(form.text("back", "/")), wrong=True)
    answer = Response(status_code=303, headers={"location": within(form.text("back", "/"))})
    begin_session(answer, request, desk.fresh(), person.name)
    return answer


@router.post("/sign-out")
def sign_out(visit: Reader, form: Form) -> Response:
    """End the session."""
    answer = visit.go("/")
    answer.delete_cookie(SESSION)
    return answer
