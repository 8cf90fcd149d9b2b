"""The JSON API: the figures of the pages, the roles of the pages, and orders that the verbs take."""

import json
from datetime import datetime, timedelta

import pytest
from desk_world import NOW, SECRET, browse, open_desk, send, write_config

from netlift.cli import app as command_line
from netlift.config.business import load
from netlift.pipelines import design as design_verb
from netlift.pipelines import readout as readout_verb
from netlift.web.access import AccessSettings, hash_token
from netlift.web.jobs import Jobs

pytestmark = pytest.mark.slow

ROLES = ("reader", "analyst", "operator")
TOKENS = [{"name": role, "role": role, "sha256": hash_token(role)} for role in ROLES]
DESIGN = {
    "campaign_id": "C90", "hypothesis": "--expect=9 «больше, чем раньше»", "offers": ["sms_bonus_300", "push_reminder"],
    "start": "2026-06-01T10:30", "outcome_days": 28, "name": "=1+1", "expect": 60.5, "chance": 0.8,
    "eligible": ["days_since_last_purchase <= 365", "region = Тверь, Тула"], "reward": 30, "fixed_cost": 500,
    "segments": ["region"], "language": "en",
}  # fmt: skip


class TakenError(Exception):
    """What a verb was asked; it goes no further."""


@pytest.fixture
def config(tmp_path):
    return write_config(tmp_path, {})


def api(config, role="operator"):
    browser = browse(open_desk(config, AccessSettings.model_validate({"tokens": TOKENS})))
    browser.headers["authorization"] = f"Bearer {role}"
    return browser


def ask_verb(monkeypatch, module, name, config, *, order=1):
    """What the verb is asked by the only job of a desk."""

    def take(*asked, **how):
        raise TakenError(asked[order])

    monkeypatch.setattr(module, name, take)
    (job,) = Jobs(load(config).state, SECRET).all()
    with pytest.raises(TakenError) as taken:
        command_line([job.verb, "--config", str(config), *job.arguments], standalone_mode=False)
    return taken.value.args[0]


def test_what_the_api_tells_of_a_readout_is_what_the_verb_wrote(shop_with_readout):
    browser = api(shop_with_readout, "reader")
    (told,) = browser.get("/api/v1/readouts").json()
    folder = load(shop_with_readout).state / "out" / "readouts" / told["key"]
    written = json.loads((folder / "readout.json").read_bytes())
    assert browser.get(f"/api/v1/readouts/{told['key']}").json() == written
    assert told["verdict"] == written["headline"]["verdict"]
    assert told["profit"]["point"] == written["incremental_profit"]["point"]
    assert set(told["files"]) == {path.name for path in folder.iterdir()} - {"manifest.json"}
    assert browser.get("/api/v1/readouts", params={"search": "nothing"}).json() == []
    assert browser.get("/api/v1/readouts/unknown").status_code == 404
    assert browser.get("/api/v1/readouts?limit=0").status_code == 422


def test_a_decision_by_the_api_stands_on_the_page(shop_to_change):
    browser = api(shop_to_change, "analyst")
    (told,) = browser.get("/api/v1/readouts").json()
    place = f"/api/v1/readouts/{told['key']}/decisions"
    day = (NOW.date() + timedelta(days=9)).isoformat()
    answer = browser.post(place, json={"arms": dict.fromkeys(told["advice"], "stop"), "review": day, "note": "tired"})
    assert answer.status_code == 201
    assert browser.get(place).json() == [answer.json()]
    assert "tired" in browser.get(f"/readouts/{told['key']}").text
    assert browser.post(place, json={"arms": {"other": "stop"}}).status_code == 400
    assert browser.post(place, json={"arms": {}, "who": "somebody else"}).status_code == 422


@pytest.mark.parametrize(
    ("method", "path", "least"),
    [
        ("GET", "/api/v1/readouts", "reader"),
        ("GET", "/api/v1/designs", "reader"),
        ("GET", "/api/v1/openapi.json", "reader"),
        ("GET", "/api/v1/jobs", "analyst"),
        ("POST", "/api/v1/readouts", "analyst"),
        ("POST", "/api/v1/designs", "analyst"),
    ],
)
def test_each_role_may_what_it_may_on_pages_and_nobody_comes_in_without_a_token(config, method, path, least):
    asked = {"json": DESIGN if "designs" in path else {"campaign": "C1"}} if method == "POST" else {}
    for role in ROLES:
        status = api(config, role).request(method, path, **asked).status_code
        assert (status == 403) == (ROLES.index(role) < ROLES.index(least)), (role, status)
        assert status in (200, 202, 403)
    stranger = browse(open_desk(config, AccessSettings.model_validate({"tokens": TOKENS}))).request(
        method, path, **asked
    )
    assert stranger.status_code == 401
    assert "token" in stranger.json()["detail"]


def test_a_readout_asked_for_by_json_is_asked_of_the_verb_as_it_was_said(config, monkeypatch):
    asked = {"campaign": "--all", "language": "en", "as_of": "2026-05-01", "segments": ["region"], "tolerance": 5}
    answer = api(config).post("/api/v1/readouts", json=asked)
    assert answer.status_code == 202
    assert api(config).get(f"/api/v1/jobs/{answer.json()['id']}").json() == answer.json()
    order = ask_verb(monkeypatch, readout_verb, "make_readout", config)
    assert (order.target, order.language, order.split_by) == ("--all", "en", ("region",))
    assert (order.as_of, order.tolerance, order.pdf) == (datetime(2026, 5, 1), 5.0, False)


@pytest.mark.parametrize("face", ["form", "json"])
def test_a_design_is_asked_of_the_verb_as_it_was_said(config, monkeypatch, face):
    if face == "json":
        assert api(config).post("/api/v1/designs", json=DESIGN).status_code == 202
    else:
        fields = {**DESIGN, "expect": "60,5", "eligible": "\r\n".join(DESIGN["eligible"])}
        answer = send(browse(open_desk(config)), "/designs/new", "/designs/new", **fields)
        assert answer.status_code == 303, answer.text
    request = ask_verb(monkeypatch, design_verb, "design_campaign", config)
    plain = {name: getattr(request, name) for name in ("campaign_id", "hypothesis", "outcome_days", "name", "chance")}
    assert plain == {name: DESIGN[name] for name in plain}
    assert (request.start, request.expected, request.language) == (datetime(2026, 6, 1, 10, 30), 60.5, "en")
    assert (request.offers, request.eligible) == (tuple(DESIGN["offers"]), tuple(DESIGN["eligible"]))
    assert (dict(request.reward), request.fixed_cost, request.segments) == ({"": 30.0}, 500.0, ("region",))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"offers": []}, "offers"),
        ({"offers": ["a,b"]}, "no comma"),
        ({"outcome_days": "0"}, "outcome_days"),
        ({"chance": "1,5"}, "chance"),
        ({"start": "soon"}, "start"),
        ({"hypothesis": ""}, "hypothesis"),
    ],
)
def test_a_design_that_cannot_be_is_shown_again_with_the_reason_and_what_was_written(config, wrong, said):
    fields = {**DESIGN, "eligible": "", **wrong}
    answer = send(browse(open_desk(config)), "/designs/new", "/designs/new", **fields)
    assert answer.status_code == 400
    assert said in answer.text
    assert 'value="C90"' in answer.text
    assert Jobs(load(config).state, SECRET).all() == []


def test_the_api_takes_json_alone_and_none_from_another_site(config):
    browser = api(config)
    content = json.dumps({"campaign": "C1"})
    plain = browser.post("/api/v1/readouts", content=content, headers={"content-type": "text/plain"})
    assert plain.status_code in (415, 422)
    foreign = browser.post("/api/v1/readouts", json={"campaign": "C1"}, headers={"origin": "https://evil.example"})
    assert foreign.status_code == 403
    assert Jobs(load(config).state, SECRET).all() == []


def test_the_schema_describes_every_answer_and_no_page_loads_a_library_from_elsewhere(config):
    browser = api(config, "reader")
    schema = browser.get("/api/v1/openapi.json").json()
    assert all(path.startswith("/api/v1/") for path in schema["paths"])
    assert schema["components"]["schemas"]["ReadoutAsked"]["additionalProperties"] is False
    assert [browser.get(path).status_code for path in ("/docs", "/redoc", "/openapi.json")] == [404] * 3
