"""The API against its own schema, by each role: drawn requests get described answers, and no failure."""

from __future__ import annotations

import pytest

pytest.importorskip("schemathesis", reason="needs the packages of requirements-browser.lock")

import schemathesis
from desk_world import open_desk
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

from netlift.config.business import load
from netlift.web.access import AccessSettings, hash_token
from netlift.web.store import RunStore

pytestmark = pytest.mark.slow

ROLES = ("reader", "analyst", "operator")
TAKEN = "/api/v1/{kind}/{key}/files/{name}"
CHECKS = [not_a_server_error, status_code_conformance, response_schema_conformance]


@pytest.fixture(scope="module")
def desk_of_tokens(tests_desk):
    tokens = [{"name": role, "role": role, "sha256": hash_token(role)} for role in ROLES]
    return open_desk(tests_desk.config, AccessSettings.model_validate({"hosts": ["testserver"], "tokens": tokens}))


def test_drawn_requests_of_every_role_get_the_answers_that_are_described(tests_desk, desk_of_tokens):
    key = RunStore(load(tests_desk.config).state).runs("readouts")[0].key
    schema = schemathesis.openapi.from_asgi(
        "/api/v1/openapi.json", desk_of_tokens, headers={"authorization": "Bearer reader"}
    )
    operations = [found.ok() for found in schema.get_all_operations()]
    assert {"/api/v1/readouts", "/api/v1/jobs/{job_id}", TAKEN} <= {operation.path for operation in operations}
    statuses = set()
    for operation in operations:

        @given(case=operation.as_strategy())
        @settings(max_examples=15, deadline=None, derandomize=True, database=None, suppress_health_check=[*HealthCheck])
        def ask(case):
            if "key" in case.path_parameters and "/readouts" in case.path:
                case.path_parameters["key"] = key
            needs_analyst = case.method == "POST" or "/jobs" in case.path or case.path == TAKEN
            for role in (*ROLES, ""):
                answer = case.call(headers={"authorization": f"Bearer {role}"} if role else {})
                case.validate_response(answer, checks=CHECKS)
                statuses.add(answer.status_code)
                assert (answer.status_code == 401) == (role == "")
                assert (answer.status_code == 403) == (needs_analyst and role == "reader")

        ask()
    assert statuses >= {200, 202, 400, 401, 403, 404}
