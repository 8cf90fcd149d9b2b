"""Pairwise learner averaged over several fold and cut draws.

Effects are so small beside what customers do anyway that another seed makes another model: two fits on the same 20,000
customers choose differently for a tenth to a fifth of them. What the fits have in common is what the data say; the rest
is the draw of folds and cuts, and the mean over seeds has less of it:

    t(x) = level + slope · mean over seeds s of t(x; s)

and so what customers bring anyway. Slopes and calibration are those of the mean: it tells customers apart better than
any one fit does, and a fit that found nothing does not draw the others towards one number for all.

Three seeds are worth their time where data are few. Where a matrix is so large that a fit takes seconds, fits differ
less, and fewer are averaged: as many as `CELLS` of features allow.

References:
    Breiman (1996), Bagging Predictors, Machine Learning 24: averaging helps where small changes make another model.
"""

from __future__ import annotations

from dataclasses import replace

from netlift.estimators.rows import Candidate
from netlift.estimators.uplift.pairwise.learner import fit_paired_effects
from netlift.estimators.uplift.pairwise.outcome_model import ContactPurchases, seeds_for
from netlift.estimators.uplift.tuning import Progress


def fit_averaged_effects(known: ContactPurchases, *, progress: Progress) -> Candidate:
    """Fit with as many seeds as `seeds_for` says.

    Args:
        known: Contact rows, as `fit_paired_effects` takes them.
        progress: Told once purchases and once contrasts are learned.

    Raises:
        DataError: Fewer customers than folds.
    """
    seeds = seeds_for(*known.rows.X.shape)
    fitted = fit_paired_effects(known, progress=progress, seeds=seeds)
    told = (f"effects are the mean of {seeds} fits that differ by their seed",) if seeds > 1 else ()
    return replace(
        fitted, name="averaged_effects", params={"seeds": seeds, **fitted.params}, notes=(*told, *fitted.notes)
    )


__all__ = ["fit_averaged_effects", "seeds_for"]
