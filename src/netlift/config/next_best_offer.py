"""Definition of the next best offer model, and the treatment of offers without a model."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from netlift.config.settings import Settings, load_settings


class NextBestOfferDefinition(Settings):
    """Which offer pays most for a customer, from effects that are learned and economics that are given.

    Attributes:
        task: Always next_best_offer.
        description: One sentence for the model card.
        stands_on: Whose champion gives the effects.
        economics: Block of the config that gives today's costs and rewards.
        untrained: Whether an offer of the config whose effect the champion does not know is left out of the model, and
            named on its card, or refuses the whole model.
    """

    task: Literal["next_best_offer"]
    description: str
    stands_on: Literal["uplift"]
    economics: Literal["decision"]
    untrained: Literal["leave_out", "refuse"]


def load_next_best_offer(path: Path) -> NextBestOfferDefinition:
    """Read the definition.

    Raises:
        ConfigError: With all mistakes of the file at once.
    """
    return load_settings(path, NextBestOfferDefinition)


__all__ = ["NextBestOfferDefinition", "load_next_best_offer"]
