"""What is asked of a run of decisions, and the rules that it needs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from netlift.config.business import BusinessSettings
from netlift.config.decision import DecisionSettings
from netlift.data.run import safe_key
from netlift.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class DecideRequest:
    """What is asked.

    Attributes:
        as_of: First day not seen by the features; contacts count as made at its first moment.
        run_key: Name of the output folder and of the run's campaign; empty for `as_of`, and the trigger behind it.
        for_excel: Lists as CSV with semicolons and a byte-order mark.
        trigger: Name of the trigger whose list it is; empty for the run of all customers.
        language: Of the texts, ru or en.
    """

    as_of: date
    run_key: str = ""
    trigger: str = ""
    for_excel: bool = False
    language: str = "ru"

    @property
    def key(self) -> str:
        """The run key as a folder name."""
        own = "".join(letter if letter.isalnum() else "-" for letter in self.trigger)
        return safe_key(self.run_key or "-".join(filter(None, [self.as_of.isoformat(), own])))


def require_decision(settings: BusinessSettings) -> DecisionSettings:
    """The config's decision block.

    Raises:
        ConfigError: It has none.
    """
    if settings.decision is None:
        raise ConfigError(
            f"config {settings.name}: no decision block, so nobody has said which offers may go out; write one, as in "
            "configs/demo.yaml"
        )
    return settings.decision
