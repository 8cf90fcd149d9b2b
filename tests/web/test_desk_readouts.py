"""Readouts in the browser: what the verb wrote and nothing else, taken away, and decided upon."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from hashlib import sha256
from html import escape

import pytest
from desk_world import NOW, Clock, browse, open_desk, send

from netlift.config.business import load
from netlift.errors import ModelIntegrityError
from netlift.registry.audit import read_entries
from netlift.web import exports
from netlift.web.access import AccessSettings, hash_token
from netlift.web.decisions_taken import DecisionTaken, read_decisions_taken, take_decision
from netlift.web.store import RunStore

pytestmark = pytest.mark.slow

READER = AccessSettings.model_validate({"tokens": [{"name": "R", "role": "reader", "sha256": hash_token("r")}]})


def stored(config):
    """The only readout that stands: its run, its JSON, its address."""
    (run,) = RunStore(load(config).state).runs("readouts")
    return run, json.loads((run.folder / "readout.json").read_bytes()), f"/readouts/{run.key}"


def add_readout(config, key, change, **manifest):
    """A readout like the one that stands, as another run."""
    run, told, _ = stored(config)
    target = run.folder.with_name(key)
    shutil.copytree(run.folder, target)
    change(told)
    content = json.dumps(told).encode()
    (target / "readout.json").write_bytes(content)
    digests = {**run.manifest["digests"], "json": sha256(content).hexdigest(), **manifest.pop("digests", {})}
    (target / "manifest.json").write_text(json.dumps({**run.manifest, **manifest, "digests": digests}))


def test_the_page_holds_the_body_that_the_verb_wrote_and_the_list_its_verdict(shop_with_readout):
    run, told, address = stored(shop_with_readout)
    browser = browse(open_desk(shop_with_readout), language="ru")
    page, written = browser.get(address).text, (run.folder / "readout.html").read_text()
    body = written.partition("<main>")[2].partition("</main>")[0]
    assert body in page
    assert page.index(escape(told["headline"]["verdict"])) < page.index("<svg")
    assert "\n".join([escape(told["headline"]["verdict"]), *map(escape, told["headline"]["sentences"])]) in page
    assert len(page.encode()) < 150_000
    listed = browser.get("/readouts").text
    assert told["headline"]["verdict"] in listed
    assert address in listed
    assert told["campaign_id"] in listed


def test_the_list_is_searched_by_words_of_title_verdict_and_campaign(shop_with_readout):
    _, told, address = stored(shop_with_readout)
    browser = browse(open_desk(shop_with_readout))
    verdict = told["headline"]["verdict"].rstrip(".").upper()
    assert address in browser.get("/readouts", params={"search": f"k1 {verdict}"}).text
    assert address not in browser.get("/readouts", params={"search": "k1 nothing-like-it"}).text


def test_every_file_is_given_as_it_was_written_and_the_journal_says_to_whom(shop_to_change):
    run, _, address = stored(shop_to_change)
    browser = browse(open_desk(shop_to_change, READER))
    browser.headers["authorization"] = "Bearer r"
    for name in run.files():
        answer = browser.get(f"{address}/files/{name}")
        assert answer.content == (run.folder / name).read_bytes()
        assert answer.headers["content-disposition"].startswith("attachment")
    entries = read_entries(run.folder.parents[2] / "desk" / "journal.jsonl")
    assert [(entry["act"], entry["who"]) for entry in entries] == [("export", "R")] * len(run.files())
    assert [entry["file"] for entry in entries] == list(run.files())
    assert browser.get(f"{address}/files/manifest.json").status_code == 404
    assert browser.get(f"{address}/files/..%2fmanifest.json").status_code == 404


def test_a_pdf_that_the_verb_did_not_print_is_printed_once_from_its_page(shop_to_change, monkeypatch, tmp_path):
    run, _, address = stored(shop_to_change)
    printed = []
    monkeypatch.setattr(exports, "_browser", lambda: tmp_path / "chromium")
    monkeypatch.setattr(exports, "to_pdf", lambda page, browser: printed.append(page) or b"%PDF")
    browser = browse(open_desk(shop_to_change))
    assert [browser.get(f"{address}/files/readout.pdf").content for _ in range(2)] == [b"%PDF"] * 2
    assert printed == [(run.folder / "readout.html").read_bytes()]
    monkeypatch.setattr(exports, "_browser", lambda: None)
    assert "readout.pdf" not in browser.get(address).text
    assert browser.get(f"{address}/files/readout.pdf").status_code == 404


def test_a_file_that_was_changed_is_not_given_out(shop_to_change):
    run, _, address = stored(shop_to_change)
    (run.folder / "readout.xlsx").write_bytes(b"other figures")
    (run.folder / "readout.html").write_bytes((run.folder / "readout.html").read_bytes().replace(b"<main>", b"<main>!"))
    browser = browse(open_desk(shop_to_change))
    assert browser.get(f"{address}/files/readout.xlsx").status_code == 409
    assert browser.get(address).status_code == 409


def test_what_stands_in_a_name_is_text(shop_to_change):
    nasty = "<script>alert(1)</script>{{7*7}}\u202e\u0000=1+1"

    def change(told):
        told["campaign_id"] = nasty
        told["headline"] |= {"title": nasty, "verdict": nasty, "sentences": [nasty]}

    add_readout(shop_to_change, "nasty", change)
    browser = browse(open_desk(shop_to_change))
    for page in ("/readouts", "/readouts/nasty"):
        text = browser.get(page).text
        assert "<script>alert" not in text
        assert "&lt;script&gt;alert(1)&lt;/script&gt;{{7*7}}" in text
        assert not {"\u202e", "\u0000"} & set(text)


def test_a_later_readout_says_what_changed_since_the_one_before(shop_to_change):
    run, _, address = stored(shop_to_change)
    later = (run.written_at + timedelta(days=1)).isoformat()
    add_readout(shop_to_change, "later", lambda told: None, written_at=later, digests={"data": "other"})
    browser = browse(open_desk(shop_to_change))
    page = browser.get("/readouts/later").text
    assert "Changed since the time before: data." in page
    assert f'href="{address}"' in page[page.index('id="origin"') :]
    assert "Changed since" not in browser.get(address).text


def test_a_decision_is_recorded_with_who_when_and_whether_as_advised(shop_to_change):
    _, told, address = stored(shop_to_change)
    browser = browse(open_desk(shop_to_change))
    advice = {one["arm"]: one["code"] for one in told["readout"]["advice"]}
    other = {arm: "stop" if code != "stop" else "scale_up" for arm, code in advice.items()}
    day = (NOW.date() + timedelta(days=30)).isoformat()
    for arms, note in ((advice, "as it says"), (other, "the shop\u202e needs it")):
        fields = {f"arm:{arm}": code for arm, code in arms.items()}
        answer = send(browser, address, f"{address}/decisions", review=day, note=note, **fields)
        assert answer.status_code == 303
    newest, first = read_decisions_taken(load(shop_to_change).state, "K1")
    assert (newest.follows_advice, first.follows_advice) == (False, True)
    assert (newest.who, newest.review, newest.note, newest.arms) == ("local", day, "the shop needs it", other)
    assert newest.at.startswith("2026-05-02T12:00")
    page = browser.get(address).text
    assert "against the advice" in page
    assert page.index("the shop needs it") < page.index("as it says")


@pytest.mark.parametrize(
    "wrong",
    [{"review": "2026-05-02"}, {"review": "31.12.2026"}, {"note": "x" * 501}, {"arm": "approve"}, {"arm": ""}],
)
def test_a_decision_that_is_none_is_refused_and_nothing_is_kept(shop_to_change, wrong):
    _, told, address = stored(shop_to_change)
    fields = {f"arm:{one['arm']}": wrong.get("arm", "stop") for one in told["readout"]["advice"]}
    given = {key: value for key, value in wrong.items() if key != "arm"}
    answer = send(browse(open_desk(shop_to_change)), address, f"{address}/decisions", **fields, **given)
    assert answer.status_code == 400
    assert read_decisions_taken(load(shop_to_change).state, "K1") == []


def test_a_reader_sees_no_form_and_may_not_decide(shop_with_readout):
    _, _, address = stored(shop_with_readout)
    browser = browse(open_desk(shop_with_readout, READER))
    browser.headers["authorization"] = "Bearer r"
    assert "/decisions" not in browser.get(address).text
    assert browser.post(f"{address}/decisions").status_code == 403


def test_decisions_at_once_are_all_kept_and_a_changed_record_is_refused(tmp_path):
    def decide(number):
        told = {"arms": {"a": "stop"}, "advice": {"a": "stop"}, "at": NOW.isoformat()}
        take_decision(tmp_path, "K1", DecisionTaken(who=f"person {number}", key="k", **told))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(decide, range(20)))
    assert {one.who for one in read_decisions_taken(tmp_path, "K1")} == {f"person {n}" for n in range(20)}
    (path,) = (tmp_path / "desk" / "decided").iterdir()
    path.write_text(path.read_text().replace("person", "nobody", 1))
    with pytest.raises(ModelIntegrityError):
        read_decisions_taken(tmp_path, "K1")


def test_a_readout_waits_on_the_start_page_until_its_campaign_is_decided_upon_and_again_on_its_review_day(
    shop_to_change,
):
    _, told, place = stored(shop_to_change)
    clock = Clock()
    browser = browse(open_desk(shop_to_change, clock=clock))
    waits = f'href="{place}#decided"'
    assert waits in browser.get("/").text
    assert escape(told["headline"]["verdict"], quote=False) in browser.get("/").text
    fields = {f"arm:{one['arm']}": "stop" for one in told["readout"]["advice"]}
    review = (NOW + timedelta(days=9)).date().isoformat()
    assert send(browser, place, f"{place}/decisions", **fields, review=review).status_code == 303
    assert waits not in browser.get("/").text
    clock.pass_by(days=8)
    assert waits not in browser.get("/").text
    clock.pass_by(days=1)
    assert waits in browser.get("/").text
