"""The pages of the desk, one file each with its routes; this list is also the navigation, in its order."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter

from netlift.web.access import Role
from netlift.web.pages import (
    api,
    api_results,
    designs,
    jobs,
    models,
    offers,
    readouts,
    session,
    start,
    stored,
    tests,
)


@dataclass(frozen=True, kw_only=True)
class Page:
    """Routes of a page, and its entry in the navigation.

    Attributes:
        name: Its text is `desk.nav.<name>`.
        router: Its routes.
        path: Where the entry leads; empty for none.
        role: Who sees the entry; each route says for itself who is let in.
    """

    name: str
    router: APIRouter
    path: str = ""
    role: Role = "reader"


PAGES = (
    Page(name="start", path="/", router=start.router),
    Page(name="tests", path="/tests", router=tests.router),
    Page(name="readouts", path="/readouts", router=readouts.router),
    Page(name="designs", path="/designs", router=designs.router),
    Page(name="offers", path="/offers", router=offers.router),
    Page(name="segments", path="/segments", router=stored.router),
    Page(name="scorecard", path="/scorecard", router=APIRouter()),
    Page(name="models", path="/models", router=models.router),
    Page(name="jobs", path="/jobs", role="analyst", router=jobs.router),
    Page(name="session", router=session.router),
    Page(name="api", router=api.router),
    Page(name="api_results", router=api_results.router),
)

__all__ = ["PAGES", "Page"]
