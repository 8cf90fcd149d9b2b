"""The desk's pages of money, tests and offers: what they show is what is stored, and operators' acts hold."""

import html
import json
import re
import shutil
import zipfile
from datetime import UTC, datetime
from hashlib import sha256
from io import BytesIO

import pandas as pd
import pytest
from decide_world import NOW, configure, decide
from desk_money import with_approval, write_portfolio

pytest.importorskip("httpx2")

from starlette.testclient import TestClient

from netlift.config.business import load
from netlift.decisions.eligibility.handover import APPROVED
from netlift.registry.audit import read_entries
from netlift.web.access import Access, AccessSettings, TokenSettings, hash_token
from netlift.web.app import create_app

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def decided(shop, tmp_path_factory):
    """A business with a portfolio and lists that wait."""
    folder = tmp_path_factory.mktemp("desk")
    shutil.copytree(shop / "var" / "demo", folder / "var" / "demo", copy_function=shutil.copy2)
    config = configure(folder, with_approval)
    with pytest.MonkeyPatch.context() as patch:
        decide(config, patch)
    write_portfolio(load(config).state)
    return folder, config


@pytest.fixture
def desk(decided, tmp_path):
    """The same to write in, with somebody of each role."""
    shutil.copytree(decided[0], tmp_path, dirs_exist_ok=True, copy_function=shutil.copy2)
    config = tmp_path / decided[1].relative_to(decided[0])
    held = tuple(
        TokenSettings(name=role, role=role, sha256=hash_token(role)) for role in ("reader", "analyst", "operator")
    )
    texts = (f"{n:032d}" for n in range(10_000))
    app = create_app(
        load(config),
        config=config,
        experiments=tmp_path / "experiments",
        access=Access(secret=b"k" * 32, settings=AccessSettings(tokens=held)),
        clock=lambda: datetime(2026, 10, 1, 6, 0, tzinfo=UTC),
        fresh=lambda: next(texts),
    )
    return config, app


def visit(app, role="operator", language="ru"):
    headers = {"authorization": f"Bearer {role}", "accept-language": language}
    return TestClient(app, base_url="http://localhost", headers=headers, follow_redirects=False)


def text_of(answer) -> str:
    assert answer.status_code == 200, answer.text[-500:]
    return html.unescape(re.sub(r"<[^>]+>", " ", answer.text)).replace("\xa0", " ")


def post(client, page, path, **fields):
    csrf = re.search(r'name="csrf" value="([0-9a-f]+)"', client.get(page).text)[1]
    return client.post(path, data={"csrf": csrf, **fields})


def test_the_start_page_answers_where_the_money_is_and_what_waits(desk):
    _, app = desk
    shown = text_of(visit(app).get("/"))
    assert "2026 год: кампании заработали 41 тыс. ₽" in shown, "a month without campaigns gives way to the year"
    assert "Продолжать: Push-напоминание." in shown and "Остановить: SMS: 300 бонусов." in shown
    assert "Списки «2026-10-01»: утвердить или отклонить" in shown and "50 тыс. ₽" in shown
    month = text_of(visit(app, language="en").get("/?period=month"))
    assert "no campaign has a result yet" in month and "RUB" not in month.split("Profit adjusted")[0].split("Waits")[0]
    assert shown.index("кампании заработали") < shown.index("Ждёт решения")


def test_the_list_of_tests_is_searched_sorted_and_exported_inertly(desk):
    _, app = desk
    client = visit(app, "analyst")
    page = client.get("/tests?sort=profit&order=asc").text
    assert "<script>alert" not in page and "&lt;script&gt;alert(1)" in page
    assert page.index("K2") < page.index("K1 ") and 'aria-sort="ascending"' in page
    only = text_of(client.get("/tests?q=k1&verdict=made"))
    assert "Показано: 1" in only and "заработала" in only
    rows = client.get("/tests/list.csv?sort=profit").content.decode("utf-8-sig").splitlines()
    assert rows[1].startswith("K1;") and rows[2].split(";")[1] == "'=1+1" and rows[1].split(";")[3] == "50000"
    with zipfile.ZipFile(BytesIO(client.get("/tests/list.xlsx").content)) as book:
        sheets = "".join(book.read(name).decode() for name in book.namelist() if "/worksheets/sheet" in name)
    assert "<v>50000</v>" in sheets and "<f>" not in sheets
    assert visit(app, "reader").get("/tests/list.csv").status_code == 403


def test_lists_can_be_fetched_only_by_operators_and_only_once_approved(desk):
    config, app = desk
    client, run = visit(app), load(config).state / "out" / "decisions" / "2026-10-01"
    page = client.get("/offers").text
    assert "Утвердить списки" in page and "Утвердить списки" not in visit(app, "analyst").get("/offers").text
    assert client.get("/offers/2026-10-01/lists/push.csv").status_code == 409
    assert post(client, "/offers", "/offers/2026-10-01/approve", seen="0" * 64).status_code == 409
    assert client.post("/offers/2026-10-01/approve", data={"seen": ""}).status_code == 403, "no token of the form"
    seen = re.search(r'name="seen" value="([0-9a-f]{64})"', page)[1]
    assert post(client, "/offers", "/offers/2026-10-01/approve", seen=seen).status_code == 303
    got = client.get("/offers/2026-10-01/lists/push.csv")
    assert got.content == (run / APPROVED / "export_push.csv").read_bytes()
    assert pd.read_parquet(BytesIO(client.get("/offers/2026-10-01/lists/push.parquet").content)).shape[0] > 0
    assert visit(app, "analyst").get("/offers/2026-10-01/lists/push.csv").status_code == 403
    assert client.get("/offers/2026-10-01/lists/..%2Fmanifest.csv").status_code == 404
    (run / APPROVED / "export_push.csv").write_text("changed")
    assert client.get("/offers/2026-10-01/lists/push.csv").status_code == 409
    journal = [entry["act"] for entry in read_entries(load(config).state / "desk" / "journal.jsonl")]
    assert journal == ["approve", "export", "export"]
    assert read_entries(load(config).state / "audit.jsonl")[-1]["by"] == "operator"


def test_a_stop_shows_at_once_holds_a_download_and_can_be_taken_back(desk):
    _, app = desk
    client = visit(app)
    seen = re.search(r'name="seen" value="([0-9a-f]{64})"', client.get("/offers").text)[1]
    post(client, "/offers", "/offers/2026-10-01/approve", seen=seen)
    asked = {"act": "stop", "what": "channel:push", "reason": "<b>twice</b>"}
    assert post(client, "/offers", "/offers/switch", **asked).status_code == 303
    assert "&lt;b&gt;twice" in client.get("/offers").text
    assert client.get("/offers/2026-10-01/lists/push.csv").status_code == 409
    assert post(client, "/offers", "/offers/switch", act="stop", what="channel:pusch", reason="x").status_code == 400
    assert (
        post(client, "/offers", "/offers/switch", act="resume", what="channel:push", reason="mended").status_code == 303
    )
    assert client.get("/offers/2026-10-01/lists/push.csv").status_code == 200
    reader = visit(app, "reader")
    assert reader.post("/offers/switch", data=asked).status_code == 403
    shown = text_of(client.get("/models"))
    assert "списки утверждены" in shown and "остановлено" in shown and "возвращено" in shown


def test_pages_of_what_is_not_stored_say_how_to_make_it(desk):
    _, app = desk
    for path, verb in (("/segments", "segments"), ("/scorecard", "scorecard")):
        assert f"netlift {verb}" in text_of(visit(app).get(path))
    assert visit(app).get("/segments?key=..").status_code == 404


def test_the_api_gives_the_money_the_tests_and_the_lists_of_the_pages(desk):
    config, app = desk
    client, state = visit(app, "reader"), load(config).state
    written = json.loads((state / "out" / "portfolio" / "2026-10-01-ru" / "portfolio.json").read_bytes())
    start = client.get("/api/v1/start").json()
    assert start["portfolio"] == "2026-10-01-ru"
    assert start["periods"] == written["periods"]
    (lists, stop) = start["waiting"]
    assert (lists["page"], stop["page"]) == ("/offers/2026-10-01", "/offers#switches")
    assert lists["text"] in text_of(client.get("/")), "the words of the page"
    tests = client.get("/api/v1/tests?sort=profit&order=asc").json()
    assert [one["campaign"] for one in tests] == ["K3", "K2", "K1"]
    assert [one["profit"] for one in tests] == [None, *(one["shrunken"] for one in reversed(written["campaigns"]))]
    assert [one["campaign"] for one in client.get("/api/v1/tests?q=k1&verdict=made").json()] == ["K1"]
    assert client.get("/api/v1/tests?sort=luck").status_code == 422
    (told,) = client.get("/api/v1/offers").json()
    assert (told["handover"], told["as_of"], told["answer"]) == ("awaiting", "2026-10-01", {})
    manifest = json.loads((state / "out" / "decisions" / "2026-10-01" / "manifest.json").read_bytes())
    assert client.get("/api/v1/offers/2026-10-01").json()["summary"] == manifest["summary"]
    assert client.get("/api/v1/offers/nothing").status_code == 404
    nights = client.get("/api/v1/models").json()["nights"]
    assert [night["key"] for night in nights if night["kind"] == "decisions"] == ["2026-10-01"]
    assert client.get("/api/v1/portfolio").status_code == 422, "no kind of result that has an address"


def test_the_api_gives_segments_and_scorecards_as_the_verb_wrote_them_and_their_files_to_analysts(desk):
    config, app = desk
    folder = load(config).state / "out" / "scorecard" / "2026-09"
    folder.mkdir(parents=True)
    content = json.dumps({"months": [{"profit": 1.5}]}).encode()
    (folder / "scorecard.json").write_bytes(content)
    told = {"written_at": NOW.isoformat(), "digests": {"json": sha256(content).hexdigest()}}
    (folder / "manifest.json").write_text(json.dumps(told))
    reader, analyst = visit(app, "reader"), visit(app, "analyst")
    assert [one["key"] for one in reader.get("/api/v1/scorecard").json()] == ["2026-09"]
    assert reader.get("/api/v1/scorecard/2026-09").json() == json.loads(content)
    place = "/api/v1/scorecard/2026-09/files/scorecard.json"
    assert (reader.get(place).status_code, analyst.get(place).content) == (403, content)
    (folder / "customers.parquet").write_bytes(b"rows")
    assert analyst.get("/api/v1/scorecard/2026-09/files/customers.parquet").status_code == 404, "rows of customers"
    (folder / "scorecard.json").write_text("{}")
    assert reader.get("/api/v1/scorecard/2026-09").status_code == 409, "held against its manifest"
