"""Jobs: what was ordered, how far it is, and where its result stands."""

from __future__ import annotations

from fastapi import APIRouter, Response

from netlift.web.visit import Analyst

router = APIRouter(prefix="/jobs", include_in_schema=False)


@router.get("")
def list_jobs(visit: Analyst) -> Response:
    """All jobs, newest first."""
    return visit.render("jobs.html", jobs=visit.desk.jobs.all()[:200], has_worker=visit.desk.jobs.has_worker())


@router.get("/{job_id}")
def show_job(visit: Analyst, job_id: str) -> Response:
    """One job; the page asks again while it runs."""
    return _show(visit, job_id, "job.html")


@router.get("/{job_id}/progress")
def show_progress(visit: Analyst, job_id: str) -> Response:
    """The part of the job's page that changes."""
    return _show(visit, job_id, "job_progress.html")


def _show(visit: Analyst, job_id: str, template: str) -> Response:
    jobs = visit.desk.jobs
    job = jobs.find(job_id)
    return visit.render(template, job=job, lines=jobs.lines(job), has_worker=jobs.has_worker())
