"""The libraries people use for uplift today, each asked for what every offer adds to the margin.

Every peer is `fit(rows, setting)` and gives a function of features, (n, 30), to effects, (n, 2). The known chances of
the arms are handed over wherever a library takes them. Base learners are LightGBM with 100 trees and one thread; a
Tweedie loss is used where outcomes are predicted, and a squared one where effects are, which may be negative. Margins
below zero, of which a Tweedie loss knows nothing, count as zero for it. Libraries are imported when they are used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from uplift_worlds import ARMS, OFFERS

from netlift.estimators.rows import ContactRows

Predict = Callable[[np.ndarray], np.ndarray]
TREES = 100
DEFAULT: dict[str, float] = {"learning_rate": 0.05, "num_leaves": 8, "min_data_in_leaf": 200, "lambda_l2": 1.0}
CONTROL = "control"


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One setting of a peer.

    Attributes:
        seed: Of everything that is drawn.
        objective: Loss where outcomes are predicted: l2 or tweedie.
        params: LightGBM parameters in place of the default ones.
    """

    seed: int
    objective: str = "l2"
    params: Mapping[str, float] = field(default_factory=dict)

    def boosting(self, objective: str) -> dict[str, Any]:
        """Arguments of LightGBM's scikit-learn form."""
        fixed = {"n_estimators": TREES, "n_jobs": 1, "verbosity": -1, "random_state": self.seed, "max_bin": 63}
        return {**DEFAULT, **self.params, **fixed, "objective": objective}

    def of_outcomes(self) -> Any:
        """A learner of outcomes."""
        from lightgbm import LGBMRegressor

        return LGBMRegressor(**self.boosting(self.objective))

    def of_effects(self) -> Any:
        """A learner of effects, which may be negative."""
        from lightgbm import LGBMRegressor

        return LGBMRegressor(**self.boosting("l2"))

    def outcome(self, rows: ContactRows) -> np.ndarray:
        """The margin, as the loss can take it, shape (n,)."""
        return np.maximum(rows.margin, 0.0) if self.objective == "tweedie" else rows.margin

    def least_leaf(self) -> int:
        """Fewest rows of a leaf, for a forest."""
        return int(self.params.get("min_data_in_leaf", DEFAULT["min_data_in_leaf"]))


def fit_causalml(kind: str, rows: ContactRows, setting: Setting) -> Predict:
    """causalml compares one offer with control: the known chance is that of the offer among the two."""
    from causalml.inference import meta

    outcomes, effects = setting.of_outcomes(), setting.of_effects()
    names = np.array([CONTROL, *OFFERS])
    chances: dict[str, Any] = {} if kind in "ST" else {"p": {offer: np.full(len(rows), 0.5) for offer in OFFERS}}
    if kind in "ST":
        learner = getattr(meta, f"Base{kind}Regressor")(learner=outcomes, control_name=CONTROL)
    elif kind == "X":
        learner = meta.BaseXRegressor(
            control_outcome_learner=outcomes, treatment_outcome_learner=setting.of_outcomes(),
            control_effect_learner=effects, treatment_effect_learner=setting.of_effects(), control_name=CONTROL,
        )  # fmt: skip
    elif kind == "R":
        learner = meta.BaseRRegressor(
            outcome_learner=outcomes, effect_learner=effects, control_name=CONTROL, random_state=setting.seed
        )
        learner.cv_n_jobs = 1
    else:
        learner = meta.BaseDRRegressor(
            control_outcome_learner=outcomes, treatment_outcome_learner=setting.of_outcomes(),
            treatment_effect_learner=effects, control_name=CONTROL,
        )  # fmt: skip
        chances |= {"seed": setting.seed}
    more = {"verbose": False} if kind == "R" else {}
    learner.fit(X=rows.X, treatment=names[rows.arm], y=setting.outcome(rows), **chances, **more)

    def predict(X: np.ndarray) -> np.ndarray:
        asked = {"p": {offer: np.full(len(X), 0.5) for offer in OFFERS}} if kind == "X" else {}
        return np.asarray(learner.predict(X=X, **asked))

    return predict


def fit_uplift_forest(rows: ContactRows, setting: Setting) -> Predict:
    """causalml's forest knows yes and no only: its effect on the chance of buying times a buyer's mean margin."""
    from causalml.inference.tree import UpliftRandomForestClassifier

    names = np.array([CONTROL, *OFFERS])
    forest = UpliftRandomForestClassifier(
        control_name=CONTROL, n_estimators=20, max_depth=6, min_samples_leaf=setting.least_leaf(),
        random_state=setting.seed, n_jobs=1,
    )  # fmt: skip
    buys = rows.margin != 0
    forest.fit(X=rows.X.astype(np.float64), treatment=names[rows.arm], y=buys.astype(np.int64))
    worth = float(rows.margin[buys].mean())
    return lambda X: worth * np.asarray(forest.predict(X.astype(np.float64)))


def fit_econml(kind: str, rows: ContactRows, setting: Setting) -> Predict:
    from sklearn.dummy import DummyClassifier

    shares, shared = DummyClassifier(strategy="prior"), {"random_state": setting.seed, "cv": 3}
    if kind == "DRLearner":
        from econml.dr import DRLearner

        learner = DRLearner(
            model_propensity=shares, model_regression=setting.of_outcomes(), model_final=setting.of_effects(), **shared
        )
    elif kind == "LinearDML":
        from econml.dml import LinearDML

        learner = LinearDML(model_y=setting.of_outcomes(), model_t=shares, discrete_treatment=True, **shared)
    else:
        from econml.dml import CausalForestDML

        learner = CausalForestDML(
            model_y=setting.of_outcomes(), model_t=shares, discrete_treatment=True, n_estimators=100, n_jobs=1,
            min_samples_leaf=setting.least_leaf(), inference=False, **shared,
        )  # fmt: skip
    X = rows.X.astype(np.float64)
    needed = {"inference": None} if kind != "CausalForestDML" else {}
    learner.fit(setting.outcome(rows), rows.arm, X=X, **needed)

    def predict(X: np.ndarray) -> np.ndarray:
        asked = X.astype(np.float64)
        return np.column_stack([learner.effect(asked, T0=0, T1=arm) for arm in range(1, ARMS)])

    return predict


def fit_metalearners(kind: str, rows: ContactRows, setting: Setting) -> Predict:
    """It fails with scikit-learn 1.8 and later, which took a mark off the classes of learners: it is given it back."""
    import metalearners
    from lightgbm import LGBMRegressor
    from metalearners import _utils, cross_fit_estimator
    from sklearn.dummy import DummyClassifier

    class Regressor(LGBMRegressor):
        _estimator_type = "regressor"

    class Shares(DummyClassifier):
        _estimator_type = "classifier"

    for module in (_utils, cross_fit_estimator):
        module.is_classifier = lambda learner: learner._estimator_type == "classifier"
        module.is_regressor = lambda learner: learner._estimator_type == "regressor"
    shared: dict[str, Any] = {
        "is_classification": False, "n_variants": ARMS, "n_folds": 3, "random_state": setting.seed,
        "nuisance_model_factory": Regressor, "nuisance_model_params": setting.boosting(setting.objective),
    }  # fmt: skip
    if kind in ("X", "DR"):
        shared |= {"treatment_model_factory": Regressor, "treatment_model_params": setting.boosting("l2")}
        shared |= {"propensity_model_factory": Shares, "propensity_model_params": {"strategy": "prior"}}
    learner = getattr(metalearners, f"{kind}Learner")(**shared)
    learner.fit(X=rows.X, y=setting.outcome(rows), w=rows.arm, n_jobs_cross_fitting=1, n_jobs_base_learners=1)
    return lambda X: np.asarray(learner.predict(X, is_oos=True)).reshape(len(X), ARMS - 1)


def fit_scikit_uplift(kind: str, rows: ContactRows, setting: Setting) -> Predict:
    """One model per offer against control: the library knows one treatment."""
    import pandas as pd
    from sklift import models

    fitted = []
    for arm in range(1, ARMS):
        pair = (rows.arm == arm) | (rows.arm == 0)
        if kind == "SoloModel":
            model = models.SoloModel(estimator=setting.of_outcomes())
        else:
            model = models.TwoModels(setting.of_outcomes(), setting.of_outcomes(), method="vanilla")
        X, treated = pd.DataFrame(rows.X[pair]), pd.Series((rows.arm[pair] == arm).astype(np.int64))
        model.fit(X.rename(columns=str), pd.Series(setting.outcome(rows)[pair]), treated)
        fitted.append(model)
    return lambda X: np.column_stack([model.predict(pd.DataFrame(X).rename(columns=str)) for model in fitted])


PEERS: dict[str, Callable[[ContactRows, Setting], Predict]] = {
    **{f"causalml {kind}": partial(fit_causalml, kind) for kind in ("S", "T", "X", "R", "DR")},
    "causalml UpliftRandomForest": fit_uplift_forest,
    **{f"econml {kind}": partial(fit_econml, kind) for kind in ("DRLearner", "LinearDML", "CausalForestDML")},
    **{f"metalearners {kind}": partial(fit_metalearners, kind) for kind in ("S", "T", "X", "DR")},
    **{f"scikit-uplift {kind}": partial(fit_scikit_uplift, kind) for kind in ("SoloModel", "TwoModels")},
}
