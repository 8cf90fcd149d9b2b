"""Uplift training on randomized campaigns: selection on later rows, evaluation on unseen campaigns."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from netlift.config.definitions import UpliftDefinition, UpliftGate
from netlift.errors import DataError, UsageError
from netlift.estimators.rows import Candidate, ContactRows
from netlift.estimators.stored import StoredModel
from netlift.evaluation.causal_checks.placebos import RefutationRow
from netlift.evaluation.policy.off_policy import (
    NOBODY,
    LoggedOutcomes,
    PolicyRow,
    best_constant,
    judge_policies,
    policy_difference,
)
from netlift.evaluation.policy.profit_forecast import OfferPromise, find_worth, promise_by_offer
from netlift.evaluation.uplift.metrics import DecileRow, ScoredModel, calibration_slope, qini, uplift_by_decile
from netlift.report.charts import deciles_chart, importance_chart, leaderboard_chart
from netlift.report.names import speak_of
from netlift.results import Estimate, Table, format_number
from netlift.training.contact_rows import build_contact_rows
from netlift.training.gate import GateCheck, features_believable
from netlift.training.task import TrainedModel, TrainingTask
from netlift.training.uplift.context import UpliftLearning, constants_for, policy_of, predict_uplift
from netlift.training.uplift.evidence_file import write_proof_rows
from netlift.training.uplift.evidence_rows import gather_proof_rows
from netlift.training.uplift.explanations import ScoredContacts, explain_uplift, log_out_of_fold
from netlift.training.uplift.fit_final import ShippedUplift, ship_uplift
from netlift.training.uplift.observational import mark_observational
from netlift.training.uplift.placebos import refute_uplift

MIN_DECILE_ROWS = 200
REFUTED_ROWS = 40_000
COLUMNS = ("gain_over_nobody", "gain_over_best_constant", "profit_per_customer", "contacted_share")
DECILES = "uplift_by_decile.svg"


def train_uplift(assignment: TrainingTask) -> TrainedModel:
    """Fit the candidates, choose one, judge it on held-out campaigns against the constants.

    The held-out contacts are kept in the state, so that `netlift decide` can prove its policy by them.

    Raises:
        NotRandomizedError: No campaign was randomized with known propensities.
        DataError: Contacts from which no effect can be learned.
        ResourceError: The held-out contacts cannot be kept.
    """
    definition = assignment.definition
    if not isinstance(definition, UpliftDefinition):
        raise UsageError(f"train_uplift was given the definition of {definition.task}")
    assignment.progress.stage("uplift", "features as of each assignment")
    rows, campaigns, notes = build_contact_rows(
        assignment.tables,
        definition,
        assignment.vocabulary,
        rows_per_partition=assignment.settings.engine.rows_per_partition,
        history=assignment.history,
        seed=assignment.settings.seed,
        mistrusted=assignment.mistrusted,
        unit=assignment.unit,
    )
    mark = mark_observational(rows, campaigns, definition.observational)
    learning = _learning(assignment, definition)
    shipped = ship_uplift(
        learning,
        rows,
        advance=partial(assignment.progress.advance, "uplift"),
        randomized=None if mark is None else ~mark.rows,
    )
    candidate, judged, held_out = shipped.candidate, shipped.judged, shipped.held_out
    logged, policy = shipped.on_held_out.logged, shipped.on_held_out.policy
    constants = constants_for(shipped.training, held_out.available)
    board = judge_policies(logged, {candidate.name: policy}, constants)
    row = next(row for row in board if row.policy == candidate.name)
    best = next(r for r in board if r.policy == best_constant(logged, constants))
    deciles = _deciles(logged, held_out, judged, assignment)
    assignment.progress.note("uplift", f"{candidate.name}: held-out contacts to prove launches by")
    write_proof_rows(assignment.settings.state, candidate.files, gather_proof_rows(shipped, learning))
    assignment.progress.note("uplift", f"{candidate.name}: placebos and an unseen half")
    refutations, refuted = _refute(learning, shipped)
    assignment.progress.note("uplift", f"{candidate.name}: what it does, in words")
    explained = explain_uplift(
        StoredModel(judged.files, threads=learning.threads),
        learned=log_out_of_fold(learning, shipped.training),
        judged=ScoredContacts(rows=held_out, logged=logged),
        words=speak_of(assignment.settings, "en", assignment.tables),
        seed=learning.seed,
    )
    promises = _promise(shipped)
    headline = _headline(row, best, len(held_out), shipped)
    drawn = f"{len(campaigns)} randomized campaigns"
    if mark is not None:
        drawn = f"{len(campaigns)} campaigns, of which nobody randomized {mark.tag}"

    def against(standing: StoredModel) -> Estimate:
        return policy_difference(logged, policy, policy_of(standing, held_out))

    return TrainedModel(
        candidate=candidate,
        features=rows.features,
        headline=headline if mark is None else mark.mark(headline),
        metrics=_metrics(row, logged, held_out, judged, policy),
        columns=COLUMNS,
        leaderboard=board,
        tables={
            "candidates": shipped.candidates,
            "parts": shipped.permission.parts,
            **({} if promises is None else {"promises": promises}),
            "refutations": refutations,
            **({"uplift_by_decile": deciles} if deciles else {}),
            **explained.tables,
        },
        figures={**_figures(board, deciles, candidate, assignment), **explained.figures},
        explanation=(*explained.sentences, *_tell_promises(promises, shipped)),
        captions={**({DECILES: "Uplift by tenth of customers"} if deciles else {}), **explained.captions},
        checks=judge_by_gate(shipped, definition.gates),
        against=against,
        measure="profit",
        population=f"Customers of {drawn}, features as of each one's assignment.",
        windows={"observation_days": definition.observation_days},
        row_counts={"training": len(shipped.training), "held_out": len(held_out), "gate": len(shipped.evidence.logged)},
        notes=(*notes, f"judged on {shipped.how}", *shipped.notes, *candidate.notes, *refuted),
        profile_rows=rows.X,
        active_within_days=None,
        observation_days=definition.observation_days,
        observational="" if mark is None else mark.tag,
    )


def _promise(shipped: ShippedUplift) -> Table[OfferPromise] | None:
    """What the policy is promised to earn, offer by offer; None where it contacts too few to tell."""
    evidence = shipped.evidence
    chosen = evidence.uplift[np.arange(len(evidence.policy)), np.maximum(evidence.policy - 1, 0)]
    try:
        return promise_by_offer(find_worth(evidence.logged, evidence.policy, chosen), shipped.rows.offers)
    except DataError:
        return None


def _tell_promises(promises: Table[OfferPromise] | None, shipped: ShippedUplift) -> Iterator[str]:
    """The same in sentences for the card."""
    for row in promises or ():
        if row.customers:
            money = [format_number(x) for x in (row.promised.point, row.promised.ci_lower, row.promised.ci_upper)]
            yield (
                f"{row.offer}: {row.customers:,} of {len(shipped.evidence.policy):,} contacts of all campaigns would "
                f"get it, and are promised to earn {money[0]} [{money[1]}, {money[2]}] {row.promised.unit} "
                f"({format_number(row.predicted)} predicted)"
            )


def _refute(learning: UpliftLearning, shipped: ShippedUplift) -> tuple[Table[RefutationRow], tuple[str, ...]]:
    """Ask the chosen learner for effects where there are none."""

    def fit(learned: ContactRows) -> Callable[[ContactRows], np.ndarray]:
        return partial(predict_uplift, StoredModel(learning.fit(shipped.learner, learned).files))

    return refute_uplift(
        shipped.training,
        fit,
        learning.log_outcomes,
        seed=learning.seed,
        level=learning.definition.gates.level,
        max_rows=REFUTED_ROWS,
    )


def _learning(assignment: TrainingTask, definition: UpliftDefinition) -> UpliftLearning:
    return UpliftLearning(
        definition=definition,
        seed=assignment.settings.seed,
        threads=assignment.settings.engine.threads,
        unit=assignment.unit,
        say=partial(assignment.progress.note, "uplift"),
    )


def judge_by_gate(shipped: ShippedUplift, gates: UpliftGate) -> tuple[GateCheck, ...]:
    """The gate: what was asked of what ships, on all evidence and on the newest campaigns, and of its features."""
    believable = features_believable(shipped.candidate.importance, bound=gates.max_gain_share)
    return (*shipped.permission.checks, believable)


def _deciles(
    logged: LoggedOutcomes, rows: ContactRows, candidate: Candidate, assignment: TrainingTask
) -> Table[DecileRow] | None:
    """Predicted against observed effect of the offer that the model likes best, by tenth of customers."""
    uplift = np.where(rows.available[:, 1:], predict_uplift(StoredModel(candidate.files), rows), -np.inf)
    liked = np.argmax(uplift, axis=1)
    at = np.arange(len(rows))
    predicted = uplift[at, liked]
    usable = np.isfinite(predicted)
    if usable.sum() < MIN_DECILE_ROWS:
        return None
    effects = logged.scores[at, liked + 1] - logged.scores[:, 0]
    scored = ScoredModel(
        effects=effects[usable], customer=rows.customer[usable], unit=assignment.unit, level=logged.level
    )
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
    uplift = predict_uplift(StoredModel(candidate.files), rows)
    for j, offer in enumerate(rows.offers):
        offered = rows.available[:, j + 1]
        if offered.sum() < MIN_DECILE_ROWS:
            continue
        scored = ScoredModel(
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
    board: Table[PolicyRow], deciles: Table[DecileRow] | None, candidate: Candidate, assignment: TrainingTask
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
        figures[DECILES] = deciles_chart(
            predicted=np.array([row.predicted for row in deciles]),
            observed=np.array([row.observed.point for row in deciles]),
            lower=np.array([row.observed.ci_lower for row in deciles]),
            upper=np.array([row.observed.ci_upper for row in deciles]),
            unit=assignment.unit,
            title="Uplift by tenth of customers",
        )
    return figures


def _headline(row: PolicyRow, best: PolicyRow, n: int, shipped: ShippedUplift) -> str:
    gain = row.gain_over_best_constant
    currency = row.value.unit.split("/", maxsplit=1)[0]
    earns = f"earns {format_number(row.gain_over_nobody.point)} {currency} per customer more than no contact"
    if shipped.permission.kind in ("constant", "part"):
        return f"{shipped.permission.words.split(':')[0]}; on {shipped.how} it {earns}"
    return (
        f"on {shipped.how}, choosing offers by {row.policy} {earns} and {format_number(gain.point)} "
        f"[{format_number(gain.ci_lower)}, {format_number(gain.ci_upper)}] more than {_say(best.policy)}: "
        f"{format_number(gain.point * n)} {currency} on these {n:,}"
    )


def _say(policy: str) -> str:
    return "contacting nobody" if policy == NOBODY else f"giving {policy}"
