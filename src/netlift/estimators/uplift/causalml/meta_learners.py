"""Adapter of causalml's meta-learners over LightGBM, stored without pickle.

causalml fits; the boosters it leaves behind are taken out and put together again as stored expressions, which give the
same numbers as its own `predict`. Around its traps:

- One learner per offer, on the rows of campaigns that could draw it and in one of its two arms. Pooled, the control of
  a campaign that never had the offer would be compared with it, and the other offers would be part of R's outcome.
- Arguments by keyword only: version 1.0 swaps the order of the positional ones.
- Propensities are passed in wherever it takes them, as the share of the offer in its pair by campaign, from the logged
  chances; it would fit its own otherwise. S and T take none. R alone takes sample weights, which make up for chances
  that differ inside a campaign.
- It sets the global style of matplotlib when imported: that is undone.
- R spawns processes unless told not to.

References:
    Künzel, Sekhon, Bickel, Yu (2019), Metalearners for Estimating Heterogeneous Treatment Effects, PNAS: S, T, X.
    Nie, Wager (2021), Quasi-Oracle Estimation of Heterogeneous Treatment Effects, Biometrika: R.
    Kennedy (2023), Towards Optimal Doubly Robust Estimation of Heterogeneous Causal Effects, EJS: DR.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from types import ModuleType
from typing import Any, Literal

import numpy as np

from netlift.config.definitions import Search
from netlift.errors import ConfigError
from netlift.estimators.boosting.lightgbm import Machine
from netlift.estimators.expression import Expression, booster, linear, write_files
from netlift.estimators.parallel import run_side_by_side
from netlift.estimators.rows import Candidate, ContactRows
from netlift.estimators.uplift.linear_terms import mean_gain_shares
from netlift.estimators.uplift.randomization import pair_of, pair_propensity, stabilised_weights

Kind = Literal["s", "t", "x", "r", "dr"]
CONTROL = "control"
PARAMS: dict[str, Any] = {
    "objective": "l2", "learning_rate": 0.05, "num_leaves": 8, "min_data_in_leaf": 200, "feature_fraction": 0.6,
    "lambda_l2": 10.0,
}  # fmt: skip
ROUNDS = 60
LIMITS: dict[str, str] = {
    "s": "causalml's S-learner takes no propensities: chances that differ inside a campaign may bias its effects",
    "t": "causalml's T-learner takes no propensities: chances that differ inside a campaign may bias its effects",
    "x": "causalml's X-learner uses propensities only to mix its two effects, here at the pair's mean share",
    "r": "causalml's R-learner splits rows, not customers, to cross-fit its outcome model",
    "dr": "causalml's DR-learner splits rows, not customers, and knows the chances of an arm by campaign only",
}


@dataclass(frozen=True, kw_only=True)
class FittedPair:
    """causalml's learner of one offer against control.

    Attributes:
        learner: The fitted causalml object.
        propensity: Share of the offer in its pair, over all rows used.
    """

    learner: Any
    propensity: float


class TreesOfColumns:
    """A LightGBM regressor as causalml wants one: fit, predict, and copies of itself.

    Args:
        params: LightGBM parameters.
        rounds: Trees.
        categories: Positions of categorical columns.
        treatment_first: Whether column 0 is the treatment, which is moved behind the features, where the stored form
            appends it.
    """

    def __init__(
        self, params: Mapping[str, Any], rounds: int, categories: tuple[int, ...], *, treatment_first: bool = False
    ) -> None:
        self.params = params
        self.rounds = rounds
        self.categories = categories
        self.treatment_first = treatment_first

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: FBT001, FBT002  scikit-learn's signature
        """Constructor arguments, for `sklearn.base.clone`."""
        return {name: getattr(self, name) for name in ("params", "rounds", "categories", "treatment_first")}

    def set_params(self, **params: Any) -> TreesOfColumns:
        """Change constructor arguments."""
        for name, value in params.items():
            setattr(self, name, value)
        return self

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import InputTags, Tags, TargetTags

        return Tags(
            estimator_type="regressor", target_tags=TargetTags(required=True), input_tags=InputTags(allow_nan=True)
        )

    def fit(self, X: np.ndarray, y: np.ndarray, sample_weight: np.ndarray | None = None) -> TreesOfColumns:
        """Grow the trees."""
        import lightgbm as lgb

        data = lgb.Dataset(
            self._ordered(X), label=y, weight=sample_weight, params=dict(self.params),
            categorical_feature=list(self.categories),
        )  # fmt: skip
        self.booster_ = lgb.train(dict(self.params), data, self.rounds)
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Predicted outcome, shape (n,)."""
        return np.asarray(self.booster_.predict(self._ordered(X), num_threads=1))

    def _ordered(self, X: np.ndarray) -> np.ndarray:
        return np.roll(X, -1, axis=1) if self.treatment_first else X


def fit_causalml(kind: Kind, rows: ContactRows, *, search: Search, folds: int, machine: Machine) -> Candidate:
    """Fit one of causalml's meta-learners per offer and store it.

    Args:
        kind: s, t, x, r or dr.
        rows: Contact rows, checked.
        search: `fixed` LightGBM parameters are taken, nothing is tuned.
        folds: Of R's outcome model.
        machine: Seed, of causalml's folds too, and how many offers are fitted side by side.

    Raises:
        ConfigError: causalml does not import.
    """
    params = PARAMS | machine.settings() | {"max_bin": 63} | search.fixed
    pairs = fit_pairs(kind, rows, params=params, folds=folds, threads=machine.threads)
    boosters: dict[str, Any] = {}
    outputs = []
    for arm, (offer, pair) in enumerate(pairs.items(), start=1):
        expression, fitted = _take_out(kind, pair, prefix=str(arm))
        boosters |= fitted
        outputs.append((f"uplift_{offer}", "currency", expression))
    texts = {name: fitted.model_to_string() for name, fitted in boosters.items()}
    return Candidate(
        name=f"causalml_{kind}",
        files=write_files(task="uplift", features=rows.features, outputs=outputs, boosters=texts),
        params={"trees": ROUNDS} | {name: PARAMS[name] for name in ("learning_rate", "num_leaves", "min_data_in_leaf")},
        notes=(LIMITS[kind], "settings fixed, uplift neither calibrated nor shrunk: as causalml gives it"),
        importance=mean_gain_shares(list(boosters.values()), rows.features),
    )


def fit_pairs(
    kind: Kind, rows: ContactRows, *, params: Mapping[str, Any], folds: int, threads: int = 1
) -> dict[str, FittedPair]:
    """Learners of causalml, by offer."""
    meta = import_causalml("meta")
    categories = tuple(i for i, feature in enumerate(rows.features) if feature.kind == "category")
    base = TreesOfColumns(params, ROUNDS, categories, treatment_first=kind == "s")
    weight = stabilised_weights(rows)

    def fit(arm: int) -> FittedPair:
        share = pair_propensity(rows, arm)
        use, offer = pair_of(rows, arm) & ~np.isnan(share), rows.offers[arm - 1]
        learner, more = _learner(meta, kind, base, seed=int(params["seed"]), folds=folds)
        if kind == "r":
            more |= {"sample_weight": weight[use], "verbose": False}
        if kind in ("x", "r", "dr"):
            more |= {"p": {offer: share[use]}}
        treatment = np.where(rows.arm[use] == arm, offer, CONTROL)
        learner.fit(X=rows.X[use], treatment=treatment, y=rows.y[use], **more)
        return FittedPair(learner=learner, propensity=float(share[use].mean()))

    jobs = [partial(fit, arm) for arm in range(1, len(rows.offers) + 1)]
    return dict(zip(rows.offers, run_side_by_side(jobs, threads=threads), strict=True))


def _learner(
    meta: ModuleType, kind: Kind, base: TreesOfColumns, *, seed: int, folds: int
) -> tuple[Any, dict[str, Any]]:
    """An unfitted causalml learner and what its `fit` wants besides."""
    if kind == "s":
        return meta.BaseSRegressor(learner=base, control_name=CONTROL), {}
    if kind == "t":
        return meta.BaseTRegressor(learner=base, control_name=CONTROL), {}
    if kind == "x":
        return meta.BaseXRegressor(learner=base, control_name=CONTROL), {}
    if kind == "r":
        learner = meta.BaseRRegressor(learner=base, control_name=CONTROL, n_fold=folds, random_state=seed)
        learner.cv_n_jobs = 1  # the regressor's constructor does not pass it on
        return learner, {}
    return meta.BaseDRRegressor(learner=base, control_name=CONTROL), {"seed": seed}


def _take_out(kind: Kind, pair: FittedPair, *, prefix: str) -> tuple[Expression, dict[str, Any]]:
    """The uplift of one offer as an expression over the boosters that causalml fitted, and these by file name."""
    learner, p = pair.learner, pair.propensity
    (group,) = learner.t_groups
    if kind == "s":
        name = f"{prefix}_outcome.txt"
        arms = [booster(name, append=[flag]) for flag in (1.0, 0.0)]
        return linear(0.0, [1.0, -1.0], arms), {name: learner.models[group].booster_}
    if kind == "t":
        parts = {"offer": (1.0, learner.models_t[group]), "control": (-1.0, learner.models_c[group])}
    elif kind == "x":
        parts = {
            "effect_control": (p, learner.models_tau_c[group]),
            "effect_offer": (1 - p, learner.models_tau_t[group]),
        }
    elif kind == "r":
        parts = {"effect": (1.0, learner.models_tau[group])}
    else:
        parts = {f"effect_{i}": (1 / 3, model) for i, model in enumerate(learner.models_tau[group])}
    fitted = {f"{prefix}_{name}.txt": model.booster_ for name, (_, model) in parts.items()}
    return linear(0.0, [weight for weight, _ in parts.values()], [booster(name) for name in fitted]), fitted


def import_causalml(part: Literal["meta", "tree"]) -> ModuleType:
    """`causalml.inference.meta` or `.tree`, with matplotlib's settings as they were before.

    Raises:
        ConfigError: causalml does not import.
    """
    try:
        import matplotlib

        with matplotlib.rc_context():
            import_module("causalml.inference")
            return import_module(f"causalml.inference.{part}")
    except (ImportError, AttributeError, OSError) as error:
        raise ConfigError(
            f"the candidates causalml_* need causalml, which does not import ({type(error).__name__}: {error}); "
            "install the versions of requirements.lock, or leave these candidates out of models/uplift.yaml"
        ) from error
