"""What the gate asks a policy by: out of fold, whole customers, and nothing that the choice has seen."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from contact_world import make_world

from netlift.config.definitions import UpliftDefinition, load_definition
from netlift.estimators.rows import Candidate, ContactRows
from netlift.estimators.stored import StoredModel
from netlift.estimators.uplift.arm_outcomes import ArmOutcomes
from netlift.estimators.uplift.counted_gains import count_gains
from netlift.evaluation.policy.off_policy import NOBODY, best_constant
from netlift.results import Estimate
from netlift.training.uplift.context import UpliftLearning, constants_for, predict_uplift
from netlift.training.uplift.fit_final import guard_refit, ship_uplift
from netlift.training.uplift.holdout import FOLDS, REPEATS, Judged, judge_held_out, judge_out_of_fold, keep_back
from netlift.training.uplift.select import choose, choose_learner

CHECKOUT = Path(__file__).parents[3]


@dataclass(frozen=True, kw_only=True)
class Watched(UpliftLearning):
    """Learning that remembers which rows every fit saw."""

    seen: list[tuple[str, ContactRows]] = field(default_factory=list)

    def fit(self, name: str, rows: ContactRows, *, outcomes: ArmOutcomes | None = None) -> Candidate:
        self.seen.append((name, rows))
        return super().fit(name, rows, outcomes=outcomes)


def learning(*candidates: str) -> Watched:
    definition = load_definition(CHECKOUT / "models/uplift.yaml", "uplift")
    assert isinstance(definition, UpliftDefinition)
    search = definition.search.model_copy(update={"trials": 1, "max_rounds": 30})
    definition = definition.model_copy(update={"candidates": candidates, "search": search})
    return Watched(definition=definition, seed=5, threads=1, unit="RUB/customer", say=lambda words: None)


@pytest.fixture(scope="module")
def rows() -> ContactRows:
    return make_world(900, seed=3).rows


def test_no_fold_is_judged_by_a_fit_that_saw_one_of_its_customers(rows):
    steps = learning("response")
    judged = judge_out_of_fold(steps, "response", rows, judged=rows.campaign != 0)
    unseen = [set(np.unique(rows.customer)) - set(np.unique(fitted.customer)) for _, fitted in steps.seen]
    assert len(unseen) == FOLDS * REPEATS
    assert sorted(customer for part in unseen for customer in part) == sorted([*set(rows.customer)] * REPEATS)
    assert all(np.any(fitted.campaign == 0) for _, fitted in steps.seen), "rows that are not judged are learned from"
    assert np.array_equal(judged.rows, np.flatnonzero(rows.campaign != 0))
    said = np.zeros_like(judged.uplift)
    for (_, fitted), outside in zip(list(steps.seen), unseen, strict=True):
        own = np.isin(judged.logged.customer, list(outside))
        model = StoredModel(UpliftLearning.fit(steps, "response", fitted).files)
        said[own] += predict_uplift(model, rows.take(judged.rows[own])) / REPEATS
    assert judged.uplift == pytest.approx(said), "each prediction is the mean of fits that saw nothing of the customer"


def test_evidence_is_all_rows_but_those_that_made_another_learner_win(rows):
    steps = learning("response", "two_part")
    shipped = ship_uplift(steps, rows, advance=lambda done, of, words: None)
    kept, _ = keep_back(rows, share=0.3, seed=5)
    late, _ = keep_back(rows.take(~kept), share=0.25, seed=6)
    first = shipped.learner == "response"
    swayed = np.zeros(0, dtype=np.int64) if first else np.flatnonzero(~kept)[late]
    assert np.array_equal(np.sort(shipped.evidence.rows), np.setdiff1d(np.arange(len(rows)), swayed))
    assert np.array_equal(shipped.evidence.logged.y, rows.y[shipped.evidence.rows])
    assert np.array_equal(np.sort(shipped.held_out.customer), np.sort(rows.customer[kept]))
    assert len(shipped.training) == len(rows) - kept.sum()


def test_what_ships_learned_from_all_rows_and_what_is_shown_of_held_out_rows_did_not(rows):
    steps = learning("response")
    shipped = ship_uplift(steps, rows, advance=lambda done, of, words: None)
    fits = [fitted for _, fitted in steps.seen]
    assert fits[-1] is rows and "newest included" in shipped.notes[1]
    judged = next(fitted for fitted in fits[1:])
    assert judged is shipped.training
    for ships, learned in ((shipped.judged, shipped.training), (shipped.candidate, rows)):
        fitted = UpliftLearning.fit(steps, "response", learned)
        assert ships.files == count_gains(fitted, shipped.permission.counted, offers=rows.offers).files


def test_a_refit_that_chooses_otherwise_or_mails_many_more_stays_at_home(rows):
    n = 1000
    judged = np.arange(n) % 2
    folds = np.where(np.arange(n) < 100, 1 - judged, judged)
    logged = SimpleNamespace()
    evidence = Judged(logged=logged, policy=folds, uplift=np.zeros((n, 1)), rows=np.arange(n))
    near, other = folds.copy(), np.where(np.arange(n) < 250, 1 - judged, judged)
    everybody = np.where(np.arange(n) < 600, 1, judged)
    assert guard_refit(near, judged, evidence)[0]
    assert not guard_refit(other, judged, evidence)[0]
    loose = replace(evidence, policy=1 - judged)
    assert guard_refit(other, judged, loose)[0]
    assert not guard_refit(everybody, judged, loose)[0]


def test_a_candidate_that_does_the_same_to_everybody_does_not_replace_the_first(rows, monkeypatch):
    """Where the first policy loses on the late rows by chance, contacting nobody would win; the gate asks that."""
    kept, _ = keep_back(rows, share=0.3, seed=5)
    early, late = rows.take(~kept), rows.take(kept)
    losing, nobody = np.ones(len(late), dtype=np.int64), np.zeros(len(late), dtype=np.int64)
    losing[::7] = 2
    choices = iter((losing, nobody))
    steps = learning("response", "two_part")
    dear = replace(late, y=late.y - 1000.0 * (late.arm > 0))
    monkeypatch.setattr("netlift.training.uplift.select.policy_of", lambda model, judged: next(choices))
    chosen, table = choose_learner(steps, early, dear, advance=lambda done, of, words: None)
    gains = {row.candidate: row.gain_over_first.ci_lower for row in table}
    assert gains["two_part"] > 0
    assert chosen == "response"


def test_a_higher_confidence_lowers_the_lower_end(rows):
    steps = learning("response")
    model = StoredModel(steps.fit("response", rows.take(rows.campaign < 3)).files)
    judged = judge_held_out(steps, rows.take(rows.campaign < 3), rows.take(rows.campaign == 3), model)
    constants = constants_for(rows.take(rows.campaign < 3), judged.logged.available)
    assert best_constant(judged.logged, constants) in constants
    ends = [judged.gain_over(constants[NOBODY], confidence=level).ci_lower for level in (0.8, 0.95, 0.99)]
    assert ends == sorted(ends, reverse=True)


def test_the_first_of_the_list_stands_unless_another_gains_over_one_standard_error():
    def gain(point: float, error: float) -> Estimate:
        return Estimate(
            point=point, ci_lower=point - 1.96 * error, ci_upper=point + 1.96 * error, level=0.95, unit="", method=""
        )

    first = gain(0.0, 0.0)
    assert choose({"first": first, "other": gain(0.9, 1.0)}) == "first"
    assert choose({"first": first, "other": gain(1.1, 1.0), "less": gain(1.05, 0.1)}) == "other"
    assert choose({"first": first, "same": gain(0.0, 0.0)}) == "first"
