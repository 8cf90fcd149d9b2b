"""Who is let in, what each role may, and what no request gets past."""

import pytest
import yaml
from desk_world import Clock, browse, open_desk, send, write_config
from starlette.testclient import TestClient

from netlift.errors import ConfigError, UsageError
from netlift.web.access import AccessSettings, grant_token, hash_token, require_access
from netlift.web.guard import HEADERS
from netlift.web.store import RunStore

EVERYONE = {name: f"{name}-token-{name}" for name in ("reader", "analyst", "operator")}


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    folder = tmp_path_factory.mktemp("empty")
    return write_config(folder, {})


def tokens(**more) -> AccessSettings:
    held = [{"name": f"{role} Анна", "role": role, "sha256": hash_token(token)} for role, token in EVERYONE.items()]
    return AccessSettings.model_validate({"tokens": held, **more})


def bearer(role: str) -> dict[str, str]:
    return {"authorization": f"Bearer {EVERYONE[role]}"}


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.3.2.1"])
def test_loopback_needs_no_ceremony(host):
    assert require_access(host, None) is None


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "desk.example", ""])
def test_any_other_bind_refuses_to_start_without_access(host):
    with pytest.raises(UsageError, match="--access FILE with tokens"):
        require_access(host, None)


def test_a_file_that_lets_nobody_in_or_names_one_twice_is_refused(tmp_path):
    path = tmp_path / "access.yaml"
    path.write_text("hosts: [desk.example]\n")
    with pytest.raises(ConfigError, match="nobody could come in"):
        require_access("0.0.0.0", path)
    grant_token(path, name="Anna", role="reader", token="one")
    grant_token(path, name="Boris", role="operator", token="two")
    grant_token(path, name="Anna", role="analyst", token="three")
    read = require_access("0.0.0.0", path)
    held = {each.name: (each.role, each.sha256) for each in read.tokens}
    assert held == {"Anna": ("analyst", hash_token("three")), "Boris": ("operator", hash_token("two"))}
    assert read.hosts == ("desk.example",)
    assert path.stat().st_mode & 0o077 == 0
    assert "three" not in path.read_text()
    with pytest.raises(UsageError, match="one of reader, analyst, operator"):
        grant_token(path, name="Anna", role="admin", token="four")
    with pytest.raises(UsageError, match="cannot be shown"):
        grant_token(path, name="An\u202ena", role="reader", token="five")
    path.write_text(path.read_text().replace("name: Boris", "name: Anna"))
    with pytest.raises(ConfigError, match="Anna stands twice"):
        require_access("0.0.0.0", path)


def test_on_loopback_whoever_calls_is_the_operator_under_no_foreign_name(config):
    app = open_desk(config)
    assert browse(app).get("/jobs").status_code == 200
    assert browse(app, base="http://evil.example").get("/").status_code == 400
    assert browse(app, base="http://127.0.0.1:8321").get("/").status_code == 200


def test_roles_let_in_upwards_and_nobody_without_a_token(config):
    browser = browse(open_desk(config, tokens(hosts=["desk.example"])), base="http://desk.example")
    assert browser.get("/readouts").status_code == 401
    assert "Sign in" in browser.get("/readouts").text
    assert {role: browser.get("/jobs", headers=bearer(role)).status_code for role in EVERYONE} == {
        "reader": 403, "analyst": 200, "operator": 200,
    }  # fmt: skip
    assert browser.get("/readouts", headers={"authorization": "Bearer reader-token"}).status_code == 401


def test_a_session_begins_with_a_token_lasts_twelve_hours_and_ends_on_demand(config):
    clock = Clock()
    browser = browse(open_desk(config, tokens(), clock=clock))
    answer = send(browser, "/readouts", "/sign-in", token=EVERYONE["analyst"], back="/jobs")
    assert (answer.status_code, answer.headers["location"]) == (303, "/jobs")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert browser.get("/jobs").status_code == 200
    clock.pass_by(hours=11.9)
    assert browser.get("/jobs").status_code == 200
    clock.pass_by(hours=0.2)
    assert browser.get("/jobs").status_code == 401
    away = send(browser, "/readouts", "/sign-in", token=EVERYONE["reader"], back="https://elsewhere.example")
    assert away.headers["location"] == "/"
    assert send(browser, "/sign-out", "/sign-out").status_code == 303
    assert browser.get("/").status_code == 401


def test_a_session_that_was_changed_is_none(config):
    browser = browse(open_desk(config, tokens()))
    send(browser, "/readouts", "/sign-in", token=EVERYONE["reader"])
    whole = browser.cookies["netlift_session"]
    for broken in (whole[:-1] + ("A" if whole[-1] != "A" else "B"), "e30.x", ""):
        assert browse(browser.app).get("/", headers={"cookie": f"netlift_session={broken}"}).status_code == 401
    assert browse(browser.app).get("/", headers={"cookie": f"netlift_session={whole}"}).status_code == 200


def test_ten_wrong_tokens_close_an_address_for_a_quarter_of_an_hour_and_no_other(config):
    clock = Clock()
    app = open_desk(config, tokens(), clock=clock)
    browser, other = browse(app, address="10.0.0.1"), browse(app, address="10.0.0.2")
    wrong = {"authorization": "Bearer wrong"}
    assert [browser.get("/", headers=wrong).status_code for _ in range(12)] == [401] * 10 + [429] * 2
    assert browser.get("/", headers=bearer("operator")).status_code == 429
    assert send(browser, "/sign-in", "/sign-in", token=EVERYONE["reader"]).status_code == 429
    assert other.get("/", headers=bearer("reader")).status_code == 200
    clock.pass_by(minutes=15.1)
    assert browser.get("/", headers=bearer("operator")).status_code == 200


def test_a_proxys_header_is_believed_from_its_address_alone(config):
    settings = AccessSettings.model_validate({"hosts": ["desk.example"], "proxy": {"addresses": ["10.0.0.1"]}})
    app = open_desk(config, settings)
    said = {"x-forwarded-user": "anna", "x-forwarded-role": "analyst"}
    through, around = (browse(app, base="http://desk.example", address=f"10.0.0.{n}") for n in (1, 2))
    assert through.get("/jobs", headers=said).status_code == 200
    assert "anna · analyst" in through.get("/jobs", headers=said).text
    assert "secure" in through.get("/", headers=said).headers["set-cookie"].lower()
    assert through.get("/jobs", headers=said | {"x-forwarded-role": "owner"}).status_code == 401
    assert through.get("/jobs", headers={"x-forwarded-user": "anna"}).status_code == 401
    assert around.get("/jobs", headers=said).status_code == 401


def test_a_header_that_stands_twice_names_nobody(config):
    settings = AccessSettings.model_validate({"hosts": ["desk.example"], "proxy": {"addresses": ["10.0.0.1"]}})
    browser = browse(open_desk(config, settings), base="http://desk.example", address="10.0.0.1")
    said = [("x-forwarded-user", "anna"), ("x-forwarded-role", "reader")]
    assert browser.get("/readouts", headers=said).status_code == 200
    for own in (("x-forwarded-user", "boss"), ("X-Forwarded-Role", "operator")):
        assert browser.get("/readouts", headers=[own, *said]).status_code == 401


@pytest.mark.parametrize("change", [{"name": ""}, {"sha256": "ключ"}, {"sha256": "0" * 63}])
def test_an_access_file_holds_names_and_hashes_and_nothing_like_them(tmp_path, change):
    path, token = tmp_path / "access.yaml", {"name": "Anna", "role": "operator", "sha256": hash_token("one")}
    path.write_text(yaml.safe_dump({"tokens": [token]}), encoding="utf-8")
    assert require_access("127.0.0.1", path).tokens[0].name == "Anna"
    path.write_text(yaml.safe_dump({"tokens": [token | change]}), encoding="utf-8")
    with pytest.raises(ConfigError, match=next(iter(change))):
        require_access("127.0.0.1", path)


def test_forms_need_the_sessions_token_and_no_other_site_can_send_one(config):
    browser = browse(open_desk(config, tokens()))
    send(browser, "/readouts", "/sign-in", token=EVERYONE["reader"])
    assert browser.post("/sign-out").status_code == 403
    assert browser.post("/sign-out", data={"csrf": "0" * 64}).status_code == 403
    for foreign in ({"origin": "https://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"}):
        assert browser.post("/sign-out", headers=foreign).status_code == 403
    stranger = browse(browser.app)
    token = send(stranger, "/sign-in", "/sign-in", token=EVERYONE["analyst"])
    assert token.status_code == 303
    assert browser.get("/").status_code == 200


def test_every_answer_carries_the_strict_headers_and_asks_no_other_machine(config):
    browser = browse(open_desk(config))
    for page in ("/", "/readouts", "/jobs", "/no-such-page", "/sign-in"):
        answer = browser.get(page)
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "http://" not in answer.text
        assert "https://" not in answer.text
        assert " style=" not in answer.text
        assert "<script>" not in answer.text


@pytest.mark.parametrize("path", ["/readouts", "/api/v1/readouts"])
def test_a_failure_nobody_foresaw_carries_the_strict_headers_and_tells_nothing_of_itself(config, monkeypatch, path):
    def fail(store, kind):
        raise RuntimeError("customer 4711")

    strict = browse(open_desk(config)).get("/readouts").headers
    app = open_desk(config)
    monkeypatch.setattr(RunStore, "runs", fail)
    answer = TestClient(app, base_url="http://localhost", raise_server_exceptions=False).get(path)
    assert answer.status_code == 500
    assert {name: answer.headers.get(name) for name in HEADERS} == {name: strict[name] for name in HEADERS}
    assert "4711" not in answer.text
    assert ("detail" in answer.json()) if "api" in path else ("<h1>" in answer.text)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ({"url": "/sign-in", "content": b"x" * 70_000}, 413),
        ({"url": "/sign-in", "content": (b"x" * 8_000 for _ in range(10))}, 413),
        ({"url": "/sign-in?" + "x" * 5_000}, 414),
        ({"url": "/sign-in", "content": b"\xff\xfe"}, 400),
        ({"url": "/sign-in", "content": b"&".join(b"a=1" for _ in range(300))}, 400),
    ],
)
def test_what_is_longer_than_any_form_is_refused(config, request_, status):
    assert browse(open_desk(config)).post(**request_).status_code == status


@pytest.mark.parametrize("path", ["/readouts/../../secret", "/readouts/%2e%2e%2fsecret", "/static/..%2fapp.py"])
def test_no_address_leads_out_of_the_store(config, path):
    answer = browse(open_desk(config)).get(path)
    assert answer.status_code == 404


def test_language_and_theme_are_kept_and_nothing_else_is(config):
    browser = browse(open_desk(config), language="de")
    assert '<html lang="ru">' in browser.get("/readouts").text
    browser.get("/preferences?language=en&theme=dark&back=/readouts")
    assert '<html lang="en" data-theme="dark">' in browser.get("/readouts").text
    browser.get("/preferences?language=xx&theme=%3Cb%3E")
    assert '<html lang="en" data-theme="dark">' in browser.get("/readouts").text


def test_an_empty_store_says_which_commands_fill_it(config):
    browser = browse(open_desk(config))
    assert "netlift readout" in browser.get("/readouts").text


def test_a_token_taken_out_of_the_file_ends_with_the_next_request_and_its_session_with_it(config, tmp_path):
    path = tmp_path / "access.yaml"
    grant_token(path, name="Anna", role="analyst", token="one")
    grant_token(path, name="Boris", role="operator", token="two")
    app = open_desk(config, require_access("0.0.0.0", path), file=path)
    anna, boris, vera = ({"authorization": f"Bearer {token}"} for token in ("one", "two", "three"))
    browser = browse(app)
    send(browser, "/jobs", "/sign-in", token="one")
    assert [browse(app).get("/jobs", headers=each).status_code for each in (anna, boris, vera)] == [200, 200, 401]
    assert browser.get("/jobs").status_code == 200

    whole = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump({"tokens": [each for each in whole["tokens"] if each["name"] != "Anna"]}))
    grant_token(path, name="Vera", role="reader", token="three")
    assert [browse(app).get("/jobs", headers=each).status_code for each in (anna, boris, vera)] == [401, 200, 403]
    assert browser.get("/jobs").status_code == 401

    path.write_text("tokens: [")
    answer = browse(app).get("/api/v1/jobs", headers=boris)
    assert (answer.status_code, str(tmp_path) in answer.text) == (503, False)
    path.unlink()
    assert browser.get("/jobs").status_code == 503
