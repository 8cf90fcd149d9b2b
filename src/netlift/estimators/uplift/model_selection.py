"""Search of learner parameters on doubly robust scores computed once.

    loss_i = mean over offers of (Γ_ia - Γ_i0 - τ_a(x_i))² / mean loss of the average effect

τ is out of fold. The target of the loss is the effect itself: a setting that predicts outcomes well may say nothing of
effects. Such losses differ by little more than noise, so another setting replaces the default only if it is better by
more than one standard error of the paired difference, customers clustered.

References:
    Kennedy (2023), Towards Optimal Doubly Robust Estimation of Heterogeneous Causal Effects, EJS: the scores.
    Saito, Yasui (2020), Counterfactual Cross-Validation, ICML: choice between learners by them.
    Breiman, Friedman, Olshen, Stone (1984), Classification and Regression Trees, section 3.4.3: one standard error.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from netlift.config.definitions import Range, Search
from netlift.estimators.uplift.lightgbm_folds import LightgbmParams
from netlift.estimators.uplift.tuning import Progress, Tuned

if TYPE_CHECKING:
    import optuna


def effect_loss(uplift: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Loss of each row, shape (n,); 0 where no offer was available.

    Args:
        uplift: Out-of-fold uplift over control, shape (n, m).
        scores: Doubly robust scores, shape (n, m + 1), NaN where the arm was not available.

    Examples:
        >>> scores = np.array([[0.0, 1.0], [0.0, 3.0]])
        >>> effect_loss(np.array([[2.0], [2.0]]), scores).tolist(), effect_loss(scores[:, 1:], scores).tolist()
        ([1.0, 1.0], [0.0, 0.0])
    """
    found = scores[:, 1:] - scores[:, :1]
    seen = ~np.isnan(found)
    base = np.nanvar(found, axis=0)
    scale = np.where(base > 0, base, 1.0)
    squared = np.where(seen, (np.nan_to_num(found) - uplift) ** 2, 0.0) / scale
    return np.asarray(np.sum(squared * len(found) / np.maximum(seen.sum(axis=0), 1), axis=1) / found.shape[1])


def search_settings(
    uplift_of: Callable[[Sequence[LightgbmParams]], np.ndarray],
    scores: np.ndarray,
    customer: np.ndarray,
    *,
    default: Sequence[LightgbmParams],
    search: Search,
    seed: int,
    progress: Progress,
) -> tuple[tuple[LightgbmParams, ...], Tuned]:
    """The default settings, or one that Optuna found and that is better beyond noise.

    Args:
        uplift_of: Out-of-fold uplift, shape (n, m), by settings that the learner itself may choose from.
        scores: Doubly robust scores of the same rows, shape (n, m + 1).
        customer: Code of the customer, shape (n,).
        default: Tried first; what they fix and the space does not name holds for all trials.
        search: Trials, the default among them, and space.
        seed: Of the draws.
        progress: Told after each trial.

    Returns:
        The settings to learn with, and how they were chosen.
    """
    import optuna

    if search.trials < 2:
        return tuple(default), Tuned(params={}, loss=float("nan"), note="one trial: the default settings")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=max(3, search.trials // 3))
    study = optuna.create_study(sampler=sampler)
    tried: list[tuple[tuple[LightgbmParams, ...], np.ndarray]] = []

    def judge(settings: tuple[LightgbmParams, ...]) -> float:
        tried.append((settings, effect_loss(uplift_of(settings), scores)))
        least = min(float(loss.mean()) for _, loss in tried)
        words = f"trial {len(tried)} of {search.trials}, least loss {least:.4f} of that of the averages"
        progress(len(tried) / (search.trials + 1), words)
        return float(tried[-1][1].mean())

    def draw(trial: optuna.Trial) -> float:
        return judge(({**default[-1], **{name: _suggest(trial, name, span) for name, span in search.space.items()}},))

    judge(tuple(default))
    study.optimize(draw, n_trials=search.trials - 1)
    chosen, note = _one_standard_error([loss for _, loss in tried], customer)
    settings, loss = tried[chosen]
    params = {name: float(value) for name, value in settings[0].items()} if chosen else {}
    return settings, Tuned(params=params, loss=float(loss.mean()), note=note)


def _suggest(trial: optuna.Trial, name: str, span: Range) -> float:
    if span.whole:
        return int(trial.suggest_int(name, round(span.low), round(span.high), log=span.log))
    return float(trial.suggest_float(name, span.low, span.high, log=span.log))


def _one_standard_error(losses: Sequence[np.ndarray], customer: np.ndarray) -> tuple[int, str]:
    """Position of the setting to take, the default being the first, and why."""
    best = int(np.argmin([loss.mean() for loss in losses]))
    if best == 0:
        return 0, f"of {len(losses)} settings the default had the least loss against doubly robust scores"
    gain = losses[0] - losses[best]
    _, code = np.unique(customer, return_inverse=True)
    error = float(np.sqrt(np.sum(np.bincount(code, weights=gain - gain.mean()) ** 2)) / len(gain))
    kept = bool(gain.mean() <= error)
    words = "the default stays" if kept else f"setting {best + 1} replaces the default"
    found = f"of {len(losses)} settings the best gains {gain.mean():.2g} (se {error:.2g}) of the loss"
    return (0 if kept else best), f"{found} against doubly robust scores on the default: {words}"
