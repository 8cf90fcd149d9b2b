"""Display names of offers, channels, segments and attributes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from netlift.config.settings import Settings

LONGEST = 80

Name = Annotated[str, Field(min_length=1, max_length=LONGEST)]
Named = Name | Annotated[dict[Literal["ru", "en"], Name], Field(min_length=1)]


class NameSettings(Settings):
    """Names by id; each is one text, or a text per language.

    Attributes:
        offers: Of offers, in place of the `name` of the table `offers`.
        channels: Of channels.
        segments: Of value segments.
        strategies: Of the strategies of segments and decisions.
        journeys: Of journeys.
        attributes: Of columns of `customers`.
        metrics: Of the readouts' own metrics.
        values: Of an attribute's values, by attribute.

    Examples:
        >>> names = NameSettings(offers={"sms_300": {"ru": "SMS: 300 бонусов"}}, segments={"vip": "VIP"})
        >>> dict(names.in_language("en"))
        {'offer.sms_300': 'SMS: 300 бонусов', 'segment.vip': 'VIP'}
    """

    offers: dict[str, Named] = Field(default_factory=dict)
    channels: dict[str, Named] = Field(default_factory=dict)
    segments: dict[str, Named] = Field(default_factory=dict)
    strategies: dict[str, Named] = Field(default_factory=dict)
    journeys: dict[str, Named] = Field(default_factory=dict)
    attributes: dict[str, Named] = Field(default_factory=dict)
    metrics: dict[str, Named] = Field(default_factory=dict)
    values: dict[str, dict[str, Named]] = Field(default_factory=dict)

    def in_language(self, language: str) -> Iterator[tuple[str, str]]:
        """Every name as `family.id` and text; in another language where it is given in that alone."""
        families = {
            "offer": self.offers,
            "channel": self.channels,
            "segment": self.segments,
            "strategy": self.strategies,
            "journey": self.journeys,
            "attribute": self.attributes,
            "own_metric": self.metrics,
        }
        families |= {f"value.{attribute}": names for attribute, names in self.values.items()}
        for family, names in families.items():
            for name, text in names.items():
                if not isinstance(text, str):
                    text = next(spoken for known, spoken in sorted(text.items(), key=lambda item: item[0] != language))
                yield f"{family}.{name}", text


__all__ = ["NameSettings"]
