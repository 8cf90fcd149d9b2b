"""The closed loop: worlds that differ by what was sent alone, an oracle nobody beats, honest logs."""

import datetime as dt
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import netlift.pipelines.demo as verb
from netlift.closed_loop.learning import Lesson, Ruling
from netlift.closed_loop.log import log_round
from netlift.closed_loop.loop import Loop
from netlift.closed_loop.policies import (
    OFFER_IDS,
    contact_by_truth,
    contact_everybody,
    contact_nobody,
    in_folder,
    true_worth,
)
from netlift.closed_loop.readout import log_of, read_round
from netlift.closed_loop.report import WorldComparison, bought_between, compare_worlds, expected_margin
from netlift.closed_loop.result import CONSTANT, LOOP, QUIET
from netlift.closed_loop.year import live, live_year
from netlift.config.business import load
from netlift.data.checks.check import check_tables
from netlift.data.contract import CONTROL
from netlift.data.read import open_tables
from netlift.decisions.eligibility.reasons import Refusal
from netlift.decisions.run.inputs import read_past_costs
from netlift.errors import UsageError
from netlift.features.vocabulary import learn_vocabulary
from netlift.pipelines.demo import DemoRequest, run_demo, write_study
from netlift.progress import Silent
from netlift.report.language import speak
from netlift.simulation.rounds import NOBODY, Archive, World, begin_world

pytestmark = pytest.mark.slow

CONFIG = Path(__file__).parents[2] / "configs" / "demo.yaml"
START, NOW = dt.date(2026, 10, 1), dt.datetime(2026, 11, 22, tzinfo=dt.UTC)
EMAIL = 0


def begin(customers=900, *, seed=3, rounds=3, preset="retailer"):
    return begin_world(customers=customers, seed=seed, start=START, history_days=800, rounds=rounds, preset=preset)


def profit(world):
    return sum(world.margin_of(k) - world.reward_of(k) - world.cost_of(k) for k in range(len(world.sent)))


@pytest.fixture(scope="module")
def start():
    return begin()


@pytest.fixture(scope="module")
def settings():
    return load(CONFIG)


def lesson_without_model(settings, folder):
    with open_tables(in_folder(settings, folder)) as tables:
        costs = read_past_costs(tables, as_of=START)
    averages = np.array([3.0, -1.0, 20.0, -5.0])
    ruling = Ruling(verdict=CONSTANT, said=("stub",), added=())
    return Lesson(model=None, ruling=ruling, averages=averages, rows=1000, costs=costs)


@pytest.fixture(scope="module")
def looped(start, settings, tmp_path_factory):
    """A year of the loop without a model: everybody the best on average, exploration and holdout as ever."""
    folder = tmp_path_factory.mktemp("books")
    books = Archive(seed=3)
    books.close(start)
    books.write(folder)
    with open_tables(in_folder(settings, folder)) as tables:
        vocabulary = learn_vocabulary(tables, before=dt.datetime(2026, 1, 1))
    loop = Loop(settings, start, epsilon=0.4, rest_days=None, vocabulary=vocabulary, seed=3)
    lesson, world, made, read = lesson_without_model(settings, folder), start.fork(), [], []
    for this in range(len(world.sent)):
        made.append(loop.decide(world, folder, lesson))
        record, worth = log_of(world, made[-1], key=f"R{this}"), true_worth(world, horizon_days=28)
        world.answer(made[-1].offer)
        books.close(world)
        log_round(books, world, made[-1], this=this)
        read.append((record, read_round(record, world, made[-1], loop.reading(level=0.99), this=this, worth=worth)))
    books.write(folder)
    return loop, world, made, books, folder, read


def test_a_world_without_contacts_is_the_same_to_the_byte_however_often_it_is_lived(start):
    first, again = live(start, contact_nobody), live(begin(), contact_nobody)
    assert first.lives.receipts.rows().tobytes() == again.lives.receipts.rows().tobytes()
    assert first.lives.answers.rows().tobytes() == again.lives.answers.rows().tobytes()
    assert first.lives.events.rows()["person"].tobytes() == again.lives.events.rows()["person"].tobytes()


def test_two_rules_that_contact_nobody_in_a_month_give_equal_receipts_in_it(start):
    def late(world):
        return contact_nobody(world) if world.round < 1 else contact_everybody(EMAIL)(world)

    quiet, other = live(start, contact_nobody), live(start, late)
    for k, equal in ((0, True), (1, False)):
        seen = [w.lives.receipts.rows() for w in (quiet, other)]
        months = [r[(r["day"] >= start.starts[k]) & (r["day"] < start.starts[k + 1])] for r in seen]
        assert (months[0].tobytes() == months[1].tobytes()) is equal


def test_who_is_sent_nothing_lives_as_if_nobody_had_been_sent_anything(start):
    quiet, other = live(start, contact_nobody), live(start, contact_everybody(EMAIL))
    spared = (other.sent == NOBODY).all(axis=0)
    assert 0 < spared.sum() < len(spared)
    assert np.array_equal(profit(quiet)[spared], profit(other)[spared])
    assert not np.array_equal(profit(quiet)[~spared], profit(other)[~spared])


def test_a_world_refuses_an_offer_that_is_not_open(start):
    world = start.fork()
    with pytest.raises(ValueError, match="not open"):
        world.answer(np.full(len(world.ids), EMAIL))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_oracle_is_never_below_the_other_rules_beyond_noise(seed):
    start = begin(800, seed=seed, rounds=3)
    rules = [contact_nobody, *(contact_everybody(j) for j in range(len(OFFER_IDS)))]
    oracle = profit(live(start, contact_by_truth))
    for rule in rules:
        ahead = oracle - profit(live(start, rule))
        assert ahead.sum() > -2 * ahead.std() * np.sqrt(len(ahead))
    assert oracle.sum() > profit(live(start, contact_nobody)).sum()


def test_true_worth_is_what_a_round_brings_on_average():
    gains, worths = [], []
    for seed in range(4):
        start = begin(1000, seed=seed, rounds=1)
        offer = contact_everybody(2)(start)
        sent, quiet = start.fork(), start.fork()
        sent.answer(offer), quiet.answer(contact_nobody(quiet))
        gains.append((profit(sent) - profit(quiet))[offer >= 0])
        days = start.starts[1] - start.starts[0]
        worths.append(true_worth(start, horizon_days=days)[offer >= 0, 2])
    gain, worth = np.concatenate(gains), np.concatenate(worths)
    assert abs((gain - worth).mean()) < 3 * (gain - worth).std() / np.sqrt(len(gain))


def test_the_holdout_is_never_contacted_and_lives_as_without_contacts(start, looped):
    loop, world, _, _, folder, _ = looped
    assert 0.02 < loop.held_out.mean() < 0.09
    assert (world.sent[:, loop.held_out] == NOBODY).all()
    quiet = live(start, contact_nobody)
    assert np.array_equal(profit(quiet)[loop.held_out], profit(world)[loop.held_out])
    ids = set(world.ids.to_numpy(zero_copy_only=False)[loop.held_out])
    with open_tables(in_folder(load(CONFIG), folder)) as tables:
        contacts = tables["contacts"].to_pandas()
    assert not ids & set(contacts[contacts.campaign_id.str.startswith("R")].customer_id)


def test_monthly_rounds_leave_no_month_empty_and_open_windows_alone(start, looped):
    """The days of a month are never fewer than the window, so that whoever was contacted may be again."""
    _, world, made, *_ = looped
    given = [int((sent != NOBODY).sum()) for sent in world.sent]
    assert min(given) > 0.5 * max(given)
    assert ((world.sent[0] != NOBODY) & (world.sent[1] != NOBODY)).any()
    assert all((one.decided.eligibility.refused != Refusal.OPEN_WINDOW).all() for one in made)


def test_rounds_within_a_window_leave_whoever_has_one_open_alone(start, settings, looped):
    loop, _, _, _, folder, _ = looped
    nights = World(start.fork().lives, first_day=start.first_day, starts=tuple(start.today + k for k in range(3)))
    nights.today = start.today
    lesson = lesson_without_model(settings, folder)
    for this in range(2):
        decided = loop.decide(nights, folder, lesson)
        nights.sent[this], nights.today = decided.offer, nights.starts[this + 1]
    first, second = nights.sent != NOBODY
    assert first.sum() > 100 and not (first & second).any()


def test_each_round_is_read_from_its_log_and_the_interval_covers_the_truth(looped):
    _, world, made, _, _, read = looped
    assert len(read) == len(made)
    for record, found in read:
        assert found is not None and found.sound
        assert found.policy.ci_lower < found.true_policy < found.policy.ci_upper
        assert (record.arm == "holdout").sum() > 0
        assert np.allclose(record.chances[~record.held_out].sum(axis=1), 1)
    given = [int((record.option >= 0).sum()) for record, _ in read]
    assert given == [int((world.sent[k] != NOBODY).sum()) for k in range(len(world.sent))]


def test_the_ltv_of_the_scorecard_is_of_the_same_people_in_every_world(start):
    worlds = {QUIET: live(start, contact_nobody), LOOP: live(start, contact_everybody(EMAIL))}
    compared = WorldComparison(start=start, worlds=worlds, currency="RUB", level=0.95)
    rows = compare_worlds(compared)
    assert {row.world for row in rows} == set(worlds)
    for row in rows:
        margin = expected_margin(worlds[row.world])[compared.active]
        assert row.kept_ltv.point == pytest.approx(margin.mean())
        if row.roi_after is not None:
            assert row.roi_after.point == pytest.approx((row.gain.point + row.left_behind.point) / row.spend)


def test_logged_propensities_are_the_frequencies_of_what_was_drawn(looped):
    _, _, made, *_ = looped
    expected, variance, seen = 0.0, 0.0, 0.0
    for one in made:
        draw = one.decided.draw
        lots = one.decided.eligibility.explorable.any(axis=1) & ~draw.held_out
        chances = draw.chances[lots]
        drawn = np.zeros_like(chances)
        drawn[np.arange(len(chances)), draw.option[lots]] = 1
        assert np.allclose(chances.sum(axis=1), 1)
        assert np.array_equal(chances[np.arange(len(chances)), draw.option[lots]], draw.propensity[lots])
        expected, seen = expected + chances.sum(axis=0), seen + drawn.sum(axis=0)
        variance = variance + (chances * (1 - chances)).sum(axis=0)
    assert (np.abs(seen - expected) < 4 * np.sqrt(variance)).all()


def test_what_the_loop_logs_keeps_the_contract_and_compares_only_those_with_the_same_open_offers(looped, settings):
    _, _, _, _, folder, _ = looped
    with open_tables(in_folder(settings, folder)) as tables:
        report = check_tables(tables, settings, as_of=None)
        report.raise_for_errors()
        contacts = tables["contacts"].to_pandas().merge(tables["campaigns"].to_pandas(), on="campaign_id")
        customers = tables["customers"].to_pandas().set_index("customer_id")
    rounds = contacts[contacts.campaign_id.str.startswith("R")]
    assert len(rounds) > 0 and not rounds.duplicated(["campaign_id", "customer_id"]).any()
    drawn = rounds[rounds.randomized.astype(bool)]
    assert len(drawn) > 100 and drawn.campaign_id.str.contains("explore").all()
    for _, lots in drawn.groupby("campaign_id"):
        consents = customers.loc[lots.customer_id][[f"consent_{c}" for c in ("email", "sms", "push", "call")]]
        assert len(consents.drop_duplicates()) == 1
        assert (lots.offer_id == CONTROL).any()
        open_offers = int(consents.iloc[0].sum())
        assert np.allclose(lots.propensity, 1 / (open_offers + 1))
    assert (rounds[rounds.offer_id == CONTROL].reward_cost == 0).all()


def test_books_that_are_closed_do_not_change(start, looped):
    _, world, _, books, _, _ = looped
    before = Archive(seed=3)
    before.close(start)
    for name in ("transactions", "customers", "events", "surveys", "contacts"):
        early, late = before.tables()[name], books.tables()[name]
        assert late.slice(0, early.num_rows).equals(early), name
    numbers = books.tables()["transactions"]["transaction_id"].to_pandas()
    assert numbers.is_unique
    margins = world.lives.margin_between(0, world.today)
    assert books.tables()["transactions"]["margin"].to_numpy().sum() == pytest.approx(margins.sum())


def test_gains_are_recomputed_from_receipts(start):
    worlds = {QUIET: live(start, contact_nobody), LOOP: live(start, contact_everybody(EMAIL))}
    compared = WorldComparison(start=start, worlds=worlds, currency="RUB", level=0.95)
    receipts = [w.lives.receipts.rows() for w in worlds.values()]
    margin = [r["margin"][(r["day"] >= start.today) & (r["day"] < start.starts[-1])].sum() for r in receipts]
    sent = worlds[LOOP]
    costs = sum(sent.reward_of(k).sum() + 0.4 * (sent.sent[k] >= 0).sum() for k in range(len(sent.sent)))
    found = compared.estimate(compared.gains(LOOP).sum(axis=0), "RUB", total=True)
    assert found.point == pytest.approx(margin[1] - margin[0] - costs)
    assert found.ci_lower < found.point < found.ci_upper


def test_the_sports_nutrition_shop_resembles_the_sources_example_at_its_start():
    world = begin_world(customers=4000, seed=5, start=START, history_days=1095, rounds=12, preset="sports-nutrition")
    answers = world.lives.answers.rows()
    score = answers["value"][answers["day"] >= world.today - 365]
    nps = 100 * (np.mean(score >= 9) - np.mean(score <= 6))
    were = bought_between(world, world.today - 455, world.today - 365) > 0
    churn = 1 - np.mean(bought_between(world, world.today - 90, world.today)[were] > 0)
    assert 36 < nps < 48
    assert 0.23 < churn < 0.33


REQUEST = DemoRequest(customers=600, seed=2, start=START, rounds=2, history_days=800, language="en")


@pytest.fixture(scope="module")
def report(settings, tmp_path_factory):
    """A report of the verb with the training of each round taken out."""

    def learn(self, world, folder, *, standing):
        return standing or lesson_without_model(self._settings, folder)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Loop, "learn", learn)
        folder = tmp_path_factory.mktemp("year") / "books"
        return live_year(settings, REQUEST, folder=folder, progress=Silent())


@pytest.fixture
def quick(monkeypatch, tmp_path, settings, report):
    """The verb on a report that was made before, in a state folder of its own."""

    def stub(settings, request, *, folder, progress):
        folder.mkdir()
        (folder / "transactions.parquet").write_bytes(b"half")
        return report

    monkeypatch.setattr(verb, "live_year", stub)

    def run(**changes):
        moved = settings.model_copy(update={"state": tmp_path})
        return run_demo(moved, replace(REQUEST, **changes), progress=Silent(), now=NOW, lock_timeout=0.0)

    return run


def test_a_killed_job_leaves_nothing_and_the_next_one_finishes(quick, monkeypatch, tmp_path):
    def killed(document):
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(verb, "to_html", killed)
        with pytest.raises(KeyboardInterrupt):
            quick()
    assert not [*(tmp_path / "closed_loop").iterdir()]
    run = quick()
    assert run.written and {p.name for p in Path(run.path).iterdir()} == {
        "demo.json", "demo.md", "demo.html", "manifest.json",
    }  # fmt: skip
    again = quick()
    assert not again.written and again.digests == run.digests and again.text == run.text


def test_the_report_speaks_both_languages_and_a_study_needs_its_plan(quick, tmp_path):
    run = quick()
    assert "above no contact" in run.text
    assert "RUB" in run.text and "What was missed" in run.text
    assert "в выдуманном магазине" in quick(language="ru").text
    study = tmp_path / "study"
    study.mkdir()
    with pytest.raises(UsageError, match=r"plan\.yaml"):
        write_study(run, study)
    (study / "plan.yaml").write_text("title: t\nchanged_since: seed 7 was looked at\ndiagnosis: [noise costs most]\n")
    write_study(run, study)
    assert [*json.loads((study / "readout.json").read_text())["shops"]] == ["retailer"]
    told = (study / "readout.md").read_text()
    assert told.startswith("# netlift in an invented shop")
    assert "seed 7 was looked at" in told and "- noise costs most" in told


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"preset": "moon"}, "preset is 'moon'; known: retailer, sports-nutrition"),
        ({"preset": "retailr"}, "did you mean retailer"),
        ({"customers": 0}, "customers is 0"),
        ({"rounds": 25}, "rounds is 25"),
        ({"rest_days": -1}, "rest_days is -1"),
        ({"start": dt.date(2026, 10, 2)}, "first of a month"),
        ({"epsilon": 0.0}, "epsilon is 0"),
        ({"customers": 5}, "customers is 5"),
    ],
)
def test_a_demo_that_makes_no_sense_is_refused(quick, changes, told):
    with pytest.raises(UsageError, match=told):
        quick(**changes)


def test_every_rule_segment_and_figure_has_its_words():
    words = speak("ru")
    for family, names in {
        "demo.world": ("nobody", "mass", "likely", "loop", "oracle"),
        "demo.segment": ("low", "middle", "high", "newcomers"),
        "demo.shop": ("retailer", "sports-nutrition"),
    }.items():
        assert all(words.has(f"{family}.{name}") for name in names)
