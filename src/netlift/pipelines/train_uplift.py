"""Uplift from randomized campaigns: candidates chosen on a late part of training, judged on campaigns nobody saw."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from netlift.config.definitions import UpliftCandidate, UpliftDefinition
from netlift.errors import UsageError
from netlift.estimators.rows import Candidate, ContactRows
from netlift.estimators.stored import StoredModel
from netlift.estimators.uplift import average_effects, fit_arm_outcomes, fit_uplift
from netlift.evaluation.off_policy import (
    NOBODY,
    LoggedOutcomes,
    PolicyRow,
    best_constant,
    choose_arms,
    constant_policies,
    dr_scores,
    judge_policies,
    policy_difference,
    policy_value,
)
from netlift.evaluation.uplift import DecileRow, Scored, calibration_slope, qini, uplift_by_decile
from netlift.pipelines.contact_sets import build_contact_rows
from netlift.pipelines.standing import encode_for
from netlift.pipelines.training import Assignment, Trained
from netlift.registry.gate import beats_baseline, features_believable
from netlift.report.charts import deciles_chart, importance_chart, leaderboard_chart
from netlift.results import Estimate, Table, format_number

VALIDATION_SHARE = 0.25
MIN_DECILE_ROWS = 200


def train_uplift(assignment: Assignment) -> Trained:
    """Fit the candidates, choose one, judge it on held-out campaigns against the constants.

    Raises:
        NotRandomizedError: No campaign was randomized with known propensities.
        DataError: Contacts from which no effect can be learned.
    """
    definition = assignment.definition
    if not isinstance(definition, UpliftDefinition):
        raise UsageError(f"train_uplift was given the definition of {definition.task}")
    progress, seed = assignment.progress, assignment.settings.seed
    progress.stage("uplift", "features as of each assignment")
    rows, campaigns, notes = build_contact_rows(
        assignment.tables,
        definition,
        assignment.vocabulary,
        rows_per_partition=assignment.settings.engine.rows_per_partition,
        history=assignment.history,
        seed=seed,
        mistrusted=assignment.mistrusted,
    )
    training, held_out, how = split_contacts(rows, share=definition.held_out_share, seed=seed)
    early, late, _ = split_contacts(training, share=VALIDATION_SHARE, seed=seed + 1)
    chosen, validation = _choose(assignment, definition, early, late)
    progress.stage("uplift", f"{chosen}: fitted on all training campaigns")
    candidate = _fit(assignment, definition, chosen, training)
    logged = _log_outcomes(assignment, definition, training, held_out)
    policy = choose_arms(_predict(StoredModel(candidate.files), held_out), held_out.available)
    constants = _constants(training, held_out)
    board = judge_policies(logged, {chosen: policy}, constants)
    row = next(row for row in board if row.policy == chosen)
    best = best_constant(logged, constants)
    deciles = _deciles(logged, held_out, candidate, assignment)
    gates = definition.gates
    checks = [
        beats_baseline(
            row.gain_over_best_constant, baseline=_say(best), measure="profit", at_least=gates.min_gain_over_constant
        ),
        features_believable(candidate.importance, bound=gates.max_gain_share),
    ]
    if best != NOBODY:
        checks.insert(1, beats_baseline(row.gain_over_nobody, baseline="contacting nobody", measure="profit"))

    def against(standing: StoredModel) -> Estimate:
        theirs = choose_arms(_predict(standing, held_out), held_out.available)
        return policy_difference(logged, policy, theirs)

    return Trained(
        candidate=candidate,
        features=rows.features,
        headline=_headline(row, next(r for r in board if r.policy == best), len(held_out), how),
        metrics=_metrics(row, logged, held_out, candidate, policy),
        leaderboard=board,
        tables={"candidates": validation, **({"uplift_by_decile": deciles} if deciles else {})},
        figures=_figures(board, deciles, candidate, assignment),
        checks=tuple(checks),
        against=against,
        measure="profit",
        population=f"Customers of {len(campaigns)} randomized campaigns, features as of each one's assignment.",
        windows={"observation_days": definition.observation_days},
        row_counts={"training": len(training), "held_out": len(held_out)},
        notes=(*notes, f"judged on {how}", *candidate.notes),
        profile_rows=training.X,
        active_within_days=None,
        observation_days=definition.observation_days,
    )


def split_contacts(rows: ContactRows, *, share: float, seed: int) -> tuple[ContactRows, ContactRows, str]:
    """Rows to learn from, rows to judge on, and how they were told apart.

    The newest campaigns are kept back, as many as hold at least `share` of the rows, but never those that alone teach
    an offer; where that leaves nothing to learn from, or there is one campaign, customers are drawn by chance.
    """
    sizes = np.bincount(rows.campaign)
    codes = np.flatnonzero(sizes)
    newest_first = codes[::-1]
    enough = int(np.searchsorted(np.cumsum(sizes[newest_first]), share * len(rows))) + 1
    for count in range(enough, 0, -1):
        late = np.isin(rows.campaign, newest_first[:count])
        taught = np.unique(rows.arm[~late])
        if len(codes) > count and np.isin(np.unique(rows.arm), taught).all():
            plural = "campaign" if count == 1 else f"{count} campaigns"
            return rows.take(~late), rows.take(late), f"the newest {plural}, {late.sum():,} contacts"
    customers = np.unique(rows.customer)
    drawn = np.random.default_rng(seed).permutation(customers)[: round(share * len(customers))]
    late = np.isin(rows.customer, drawn)
    return rows.take(~late), rows.take(late), f"{late.sum():,} contacts of customers drawn by chance"


@dataclass(frozen=True, kw_only=True)
class CandidateRow:
    """A candidate on the late part of training, where one of them is chosen.

    Attributes:
        candidate: Its name.
        profit: What its policy earns per customer.
        gain_over_best_constant: Paired difference to the constant that did best there.
        contacted: Share of customers that it contacts.
        chosen: Whether it goes on.
    """

    candidate: str
    profit: Estimate
    gain_over_best_constant: Estimate
    contacted: float
    chosen: bool


def _choose(
    assignment: Assignment, definition: UpliftDefinition, early: ContactRows, late: ContactRows
) -> tuple[str, Table[CandidateRow]]:
    """The candidate whose policy most surely earns on the late part of training: the best lower end of its gain.

    By the middle of the interval the noisiest candidate would win too often.
    """
    logged = _log_outcomes(assignment, definition, early, late)
    constants = _constants(early, late)
    best = constants[best_constant(logged, constants)]
    found: list[tuple[str, np.ndarray]] = []
    for done, name in enumerate(definition.candidates):
        assignment.progress.stage("uplift", f"{name}: fitting")
        candidate = _fit(assignment, definition, name, early)
        policy = choose_arms(_predict(StoredModel(candidate.files), late), late.available)
        found.append((name, policy))
        leader = max(policy_value(logged, choice).point for _, choice in found)
        gain = leader - policy_value(logged, best).point
        words = f"{name} judged; best so far earns {format_number(gain)} {assignment.unit} over the best constant"
        assignment.progress.advance("uplift", done + 1, len(definition.candidates), words)
    values = {name: policy_value(logged, choice) for name, choice in found}
    gains = {name: policy_difference(logged, choice, best) for name, choice in found}
    chosen = max(gains, key=lambda name: gains[name].ci_lower)
    rows = [
        CandidateRow(
            candidate=name,
            profit=values[name],
            gain_over_best_constant=gains[name],
            contacted=float(np.mean(choice > 0)),
            chosen=name == chosen,
        )
        for name, choice in found
    ]
    return chosen, Table(name="candidates", rows=tuple(sorted(rows, key=lambda row: -row.profit.point)))


def _fit(assignment: Assignment, definition: UpliftDefinition, name: str, rows: ContactRows) -> Candidate:
    known: UpliftCandidate = next(candidate for candidate in definition.candidates if candidate == name)
    return fit_uplift(
        known,
        rows,
        search=definition.search,
        folds=definition.folds,
        seed=assignment.settings.seed,
        threads=assignment.settings.engine.threads,
        progress=lambda _share, words: assignment.progress.note("uplift", f"{name}: {words}"),
    )


def _log_outcomes(
    assignment: Assignment, definition: UpliftDefinition, learned: ContactRows, judged: ContactRows
) -> LoggedOutcomes:
    """Rows to judge on with doubly robust scores; the outcome model never saw them."""
    threads = assignment.settings.engine.threads
    outcomes = fit_arm_outcomes(
        learned, search=definition.search, folds=definition.folds, seed=assignment.settings.seed, threads=threads
    )
    return LoggedOutcomes(
        y=judged.y,
        arm=judged.arm,
        propensity=judged.propensity,
        scores=dr_scores(
            y=judged.y,
            arm=judged.arm,
            propensity=judged.propensity,
            mu=outcomes.predict(judged.X, threads=threads),
            available=judged.available,
        ),
        customer=judged.customer,
        unit=assignment.unit,
        level=definition.gates.level,
    )


def _constants(learned: ContactRows, judged: ContactRows) -> dict[str, np.ndarray]:
    """Nobody, everybody each offer that was on offer to somebody, and everybody the best of them."""
    effects = average_effects(learned)
    order = [int(j) + 1 for j in np.argsort(-effects, kind="stable") if effects[j] > 0]
    constants = constant_policies(judged.offers, judged.available, order)
    return {name: choice for name, choice in constants.items() if (choice >= 0).any()}


def _predict(model: StoredModel, rows: ContactRows) -> np.ndarray:
    """Predicted uplift of each offer, shape (n, m); an offer that the model does not know earns nothing."""
    scores = model.predict_matrix(encode_for(model, rows.X, rows.features))
    none = np.full(len(rows), -np.inf)
    known = [scores.get(f"uplift_{offer}", none) for offer in rows.offers]
    return np.nan_to_num(np.column_stack(known), neginf=-1e300)


def _deciles(
    logged: LoggedOutcomes, rows: ContactRows, candidate: Candidate, assignment: Assignment
) -> Table[DecileRow] | None:
    """Predicted against observed effect of the offer that the model likes best, by tenth of customers."""
    uplift = np.where(rows.available[:, 1:], _predict(StoredModel(candidate.files), rows), -np.inf)
    liked = np.argmax(uplift, axis=1)
    at = np.arange(len(rows))
    predicted = uplift[at, liked]
    usable = np.isfinite(predicted)
    if usable.sum() < MIN_DECILE_ROWS:
        return None
    effects = logged.scores[at, liked + 1] - logged.scores[:, 0]
    scored = Scored(effects=effects[usable], customer=rows.customer[usable], unit=assignment.unit, level=logged.level)
    return uplift_by_decile(scored, predicted[usable])


def _metrics(
    row: PolicyRow, logged: LoggedOutcomes, rows: ContactRows, candidate: Candidate, policy: np.ndarray
) -> dict[str, Estimate]:
    metrics = {
        "profit_per_customer": row.value,
        "profit_total": row.total,
        "gain_over_nobody": row.gain_over_nobody,
        "gain_over_best_constant": row.gain_over_best_constant,
        "profit_per_customer_snips": row.snips,
        "profit_per_customer_ips": row.ips,
    }
    uplift = _predict(StoredModel(candidate.files), rows)
    for j, offer in enumerate(rows.offers):
        offered = rows.available[:, j + 1]
        if offered.sum() < MIN_DECILE_ROWS:
            continue
        scored = Scored(
            effects=(logged.scores[:, j + 1] - logged.scores[:, 0])[offered],
            customer=rows.customer[offered],
            unit=logged.unit,
            level=logged.level,
        )
        metrics[f"qini_{offer}"] = qini(scored, uplift[offered, j])
        slope = calibration_slope(scored, uplift[offered, j])
        if slope is not None:
            metrics[f"calibration_slope_{offer}"] = slope
    contacted = policy > 0
    error = 1.96 * float(np.sqrt(contacted.mean() * (1 - contacted.mean()) / len(contacted)))
    share = float(contacted.mean())
    metrics["contacted_share"] = Estimate(
        point=share, ci_lower=share - error, ci_upper=share + error, level=0.95, unit="share", method="binomial"
    )
    return metrics


def _figures(
    board: Table[PolicyRow], deciles: Table[DecileRow] | None, candidate: Candidate, assignment: Assignment
) -> dict[str, bytes]:
    figures = {
        "policies.svg": leaderboard_chart(
            [row.policy for row in board],
            [row.value for row in board],
            title="Profit per customer on held-out campaigns",
        )
    }
    if candidate.importance:
        figures["importance.svg"] = importance_chart(candidate.importance, title="What the effect depends on")
    if deciles:
        figures["uplift_by_decile.svg"] = deciles_chart(
            predicted=np.array([row.predicted for row in deciles]),
            observed=np.array([row.observed.point for row in deciles]),
            lower=np.array([row.observed.ci_lower for row in deciles]),
            upper=np.array([row.observed.ci_upper for row in deciles]),
            unit=assignment.unit,
            title="Uplift by tenth of customers",
        )
    return figures


def _headline(row: PolicyRow, best: PolicyRow, n: int, how: str) -> str:
    gain = row.gain_over_best_constant
    currency = row.value.unit.split("/", maxsplit=1)[0]
    return (
        f"on {how}, choosing offers by {row.policy} earns {format_number(row.gain_over_nobody.point)} {currency} per "
        f"customer more than no contact and {format_number(gain.point)} [{format_number(gain.ci_lower)}, "
        f"{format_number(gain.ci_upper)}] more than {_say(best.policy)}: {format_number(gain.point * n)} {currency} on "
        f"these {n:,}"
    )


def _say(policy: str) -> str:
    return "contacting nobody" if policy == NOBODY else f"giving {policy}"
