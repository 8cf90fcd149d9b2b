"""Explanation of one customer's offer against another; never logged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from netlift.estimators.shapley import Choice, explain_choice, pick_background, share_effects
from netlift.estimators.stored import StoredModel
from netlift.features.matrix import Feature
from netlift.registry.champions import encode_for
from netlift.report.language import Words
from netlift.training.uplift.sentences import say_choice

BACKGROUND = 64


@dataclass(frozen=True, kw_only=True)
class WhyOffer:
    """The answer; personal, never to be logged: neither its parts nor its sentence show in its repr.

    Attributes:
        choice: Its parts.
        sentence: It in words.
    """

    choice: Choice = field(repr=False)
    sentence: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class OfferExplainer:
    """Explains the choices of one model, against the same customers for everybody, so that answers agree.

    Attributes:
        model: The model.
        background: Customers to compare with, in the model's columns, shape (J, k).
        currency: Of the money.
        seed: Of the orders of features.
    """

    model: StoredModel
    background: np.ndarray = field(repr=False)
    currency: str
    seed: int

    @classmethod
    def of(
        cls, model: StoredModel, X: np.ndarray, features: Sequence[Feature], *, currency: str, seed: int
    ) -> OfferExplainer:
        """Choose customers to compare with whose mean effects are those of all.

        Args:
            model: The model.
            X: Customers, shape (n, k).
            features: The k columns.
            currency: Of the money.
            seed: Of the choice, and of the orders of features.
        """
        known = pick_background(model, encode_for(model, X, tuple(features)), count=BACKGROUND, seed=seed)
        return cls(model=model, background=known, currency=currency, seed=seed)

    def explain(
        self, customer: np.ndarray, features: Sequence[Feature], *, offer: str, instead: str | None, words: Words
    ) -> WhyOffer:
        """Why one offer and not another, or rather than no contact.

        Args:
            customer: The customer's values, shape (1, k).
            features: The k columns.
            offer: The offer.
            instead: Another offer, None for no contact.
            words: The language.

        Raises:
            UsageError: An offer that the model does not know, twice the same, or not one customer.
            SchemaDriftError: The model learned from a column that is not there.
        """
        X = encode_for(self.model, customer, tuple(features))
        shares = share_effects(self.model, X, self.background, seed=self.seed)
        named = {feature.name: feature for feature in features}
        choice = explain_choice(shares, X, _in_codes_of(self.model, named), offer=offer, instead=instead)
        return WhyOffer(choice=choice, sentence=say_choice(choice, words, self.currency))


def _in_codes_of(model: StoredModel, features: dict[str, Feature]) -> dict[str, Feature]:
    """The features with the model's own category codes, in which its rows are encoded."""
    own = {feature["name"]: tuple(feature.get("categories", ())) for feature in model.features}
    return {
        name: Feature(
            name=name,
            unit=feature.unit,
            source=feature.source,
            formula=feature.formula,
            kind=feature.kind,
            categories=own[name],
        )
        for name, feature in features.items()
        if name in own
    }
