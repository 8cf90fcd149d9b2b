"""One contender in one world: it learns from a randomized campaign, and is asked about customers nobody has seen.

One contender is one process with one thread. All see the same rows and return the profit that each offer adds. Every
peer has the same budget of settings over LightGBM: the default with a squared loss, the default with a Tweedie loss,
then settings drawn at random from the space of `models/uplift.yaml`, squared and Tweedie by turns. They are compared on
a sample of the training rows by a causal loss, the mean squared distance to doubly robust scores that are made once for
all; the best is fitted on all rows. netlift's learners search as often, in their own way, inside their own fit.

    python benchmarks/uplift_contenders.py "causalml S" A --rows 100000 --seed 1
"""

from __future__ import annotations

import argparse
import json
import resource
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from uplift_measures import measure_policy
from uplift_peers import PEERS, Setting
from uplift_worlds import ARMS, OFFERS, WORLDS

from netlift.estimators.rows import ContactRows

DEFINITION = Path(__file__).parents[1] / "models" / "uplift.yaml"
SEARCH_ROWS = 40_000
FRESH_ROWS = 200_000
FRESH_SEED = 0
WARM_ROWS = 3_000
SHIPPED = "netlift as shipped"
Predict = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """What a contender learned.

    Attributes:
        predict: Profit that each offer adds, shape (n, 2), of features (n, 30).
        tuning_cpu_s: CPU seconds that the choice of settings took, where it can be told apart.
        chosen: Settings, or the learner, that were chosen.
    """

    predict: Predict
    tuning_cpu_s: float = 0.0
    chosen: Mapping[str, Any] = field(default_factory=dict)


def own_candidates() -> list[str]:
    """netlift's own learners: all candidates but those of causalml."""
    from typing import get_args

    from netlift.config.definitions import UpliftCandidate

    return [name for name in get_args(UpliftCandidate) if not name.startswith("causalml_")]


def names() -> list[str]:
    """Every contender."""
    return [SHIPPED, *(f"netlift {name}" for name in own_candidates()), *PEERS]


def fit_contender(who: str, rows: ContactRows, *, trials: int, seed: int) -> Fitted:
    """Fit a contender by name."""
    if who == SHIPPED:
        return fit_as_shipped(rows, trials=trials, seed=seed)
    if who.startswith("netlift "):
        return fit_own(who.removeprefix("netlift "), rows, trials=trials, seed=seed)
    return fit_peer(who, rows, trials=trials, seed=seed)


def fit_own(name: str, rows: ContactRows, *, trials: int, seed: int) -> Fitted:
    """One of netlift's learners, by the door the pipeline uses; its stored form predicts."""
    from netlift.estimators.stored import StoredModel
    from netlift.estimators.uplift.fit import fit_uplift

    definition = read_definition(trials)
    candidate = fit_uplift(
        name, rows, search=definition.search, folds=definition.folds, seed=seed, threads=1, progress=lambda *_: None
    )
    model = StoredModel(candidate.files)

    def predict(X: np.ndarray) -> np.ndarray:
        scores = model.predict_matrix(X)
        return np.column_stack([scores[f"uplift_{offer}"] for offer in OFFERS])

    return Fitted(predict=predict, chosen={**candidate.params, "notes": candidate.notes})


def fit_as_shipped(rows: ContactRows, *, trials: int, seed: int) -> Fitted:
    """As training does it: choice on a late part of training, the gate on rows that the choice did not see.

    What does not pass the gate is not shipped: everybody then gets what is best on average, or nothing.
    """
    from netlift.estimators.stored import StoredModel
    from netlift.estimators.uplift.fit import average_effects
    from netlift.training.uplift.context import UpliftLearning
    from netlift.training.uplift.fit_final import ship_uplift
    from netlift.training.uplift.train import judge_by_gate

    definition = read_definition(trials)
    learning = UpliftLearning(definition=definition, seed=seed, threads=1, unit="EUR/customer", say=lambda words: None)
    shipped = ship_uplift(learning, rows, advance=lambda done, of, words: None)
    checks = judge_by_gate(shipped, definition.gates)
    passed = all(check.passed for check in checks)
    effects = average_effects(rows)
    constant = np.where(np.arange(len(effects)) == effects.argmax(), effects, np.minimum(effects, 0.0))
    model = StoredModel(shipped.candidate.files)

    def predict(X: np.ndarray) -> np.ndarray:
        if not passed:
            return np.tile(constant, (len(X), 1))
        scores = model.predict_matrix(X)
        return np.column_stack([scores[f"uplift_{offer}"] for offer in OFFERS])

    told = {"learner": shipped.learner, "gate": shipped.permission.kind if passed else "the best constant"}
    return Fitted(predict=predict, chosen=told | {check.name: round(check.found, 4) for check in checks})


def read_definition(trials: int) -> Any:
    """`models/uplift.yaml` with the budget of settings that all contenders have."""
    import yaml

    from netlift.config.definitions import UpliftDefinition

    definition = UpliftDefinition.model_validate(yaml.safe_load(DEFINITION.read_text(encoding="utf-8")))
    return definition.model_copy(update={"search": definition.search.model_copy(update={"trials": trials})})


def fit_peer(who: str, rows: ContactRows, *, trials: int, seed: int) -> Fitted:
    """A peer at its best setting of `trials`.

    Peers learn what each offer adds to the margin; what profit lacks of it, the contact cost of an arm, is a known
    number in all worlds and is taken off afterwards, so that losses for positive amounts can be used.
    """
    fit, begun = PEERS[who], time.process_time()
    options = draw_settings(trials, seed) if trials > 1 else [Setting(seed=seed)]
    losses = []
    if len(options) > 1:
        order = np.random.default_rng(seed).permutation(len(rows))[:SEARCH_ROWS]
        learn, judge = (rows.take(np.sort(part)) for part in np.split(order, [2 * len(order) // 3]))
        scores = margin_scores(learn, judge, seed)
        effects = scores[:, 1:] - scores[:, :1]
        losses = [float(np.mean((effects - fit(learn, option)(judge.X)) ** 2)) for option in options]
    best = options[int(np.argmin(losses))] if losses else options[0]
    spent = time.process_time() - begun
    lack = np.array([np.mean((rows.margin - rows.y)[rows.arm == j]) for j in range(ARMS)])
    learned = fit(rows, best)
    chosen = {"objective": best.objective, **best.params}
    return Fitted(predict=lambda X: learned(X) - (lack[1:] - lack[0]), tuning_cpu_s=spent, chosen=chosen)


def draw_settings(trials: int, seed: int) -> list[Setting]:
    """The default and settings drawn from the search space, with squared and Tweedie loss by turns."""
    rng, space = np.random.default_rng([seed, trials]), read_definition(trials).search.space
    found: list[Setting] = []
    params: dict[str, float] = {}
    for trial in range(trials):
        if trial > 1 and trial % 2 == 0:
            params = {}
            for name, span in space.items():
                low, high = np.log([span.low, span.high]) if span.log else (span.low, span.high)
                value = rng.uniform(low, high)
                value = float(np.exp(value) if span.log else value)
                params[name] = round(value) if span.whole else value
        found.append(Setting(seed=seed, objective=("l2", "tweedie")[trial % 2], params=params))
    return found


def margin_scores(learned: ContactRows, judged: ContactRows, seed: int) -> np.ndarray:
    """Doubly robust scores of the margin under every arm, shape (n, 3), by one Tweedie model of the other rows."""
    from lightgbm import LGBMRegressor

    from netlift.evaluation.policy.off_policy import dr_scores

    model = LGBMRegressor(objective="tweedie", n_estimators=60, num_leaves=8, n_jobs=1, random_state=seed, verbosity=-1)
    model.fit(learned.X, np.maximum(learned.margin, 0.0))
    level = np.array([learned.margin[learned.arm == j].mean() for j in range(ARMS)]) - learned.margin.mean()
    mu = model.predict(judged.X)[:, None] + level
    drawn = {"arm": judged.arm, "propensity": judged.propensity, "available": judged.available}
    return dr_scores(y=judged.margin, mu=mu, **drawn)


def run(who: str, world: str, *, rows: int, seed: int, trials: int, fresh: int) -> dict[str, Any]:
    """Fit, ask and measure; CPU seconds of either in process, after a small fit that imports and compiles."""
    campaign = WORLDS[world].campaign(rows, seed)
    X, profit = WORLDS[world].fresh(fresh, FRESH_SEED)
    fit_contender(who, WORLDS[world].campaign(WARM_ROWS, seed), trials=1, seed=seed).predict(X[:WARM_ROWS])
    begun = time.process_time()
    fitted = fit_contender(who, campaign, trials=trials, seed=seed)
    learned = time.process_time()
    uplift = np.asarray(fitted.predict(X), dtype=np.float64)
    asked = time.process_time()
    return {
        **measure_policy(uplift, profit),
        "fit_cpu_s": learned - begun,
        "tuning_cpu_s": fitted.tuning_cpu_s,
        "predict_cpu_s": asked - learned,
        "chosen": fitted.chosen,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("who", choices=names())
    parser.add_argument("world", choices=WORLDS)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--trials", type=int, default=4)
    parser.add_argument("--fresh", type=int, default=FRESH_ROWS)
    parser.add_argument("--cpu-limit", type=int, default=3600, help="the process ends when it has used so many seconds")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_CPU, (asked.cpu_limit, asked.cpu_limit))
    try:
        found = run(asked.who, asked.world, rows=asked.rows, seed=asked.seed, trials=asked.trials, fresh=asked.fresh)
    except (ImportError, AttributeError) as error:
        found = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(found, default=str))


if __name__ == "__main__":
    main()
