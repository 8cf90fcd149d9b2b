"""Display names of a business's own things: from the config, else from the offers table."""

from __future__ import annotations

from netlift.config.business import BusinessSettings
from netlift.data.read import Tables
from netlift.report.language import Words, speak
from netlift.text import clean


def speak_of(settings: BusinessSettings, language: str, tables: Tables | None = None) -> Words:
    """The words of a language for the pages of a business.

    Args:
        settings: The business, with its `names`.
        language: Code of the language, ru or en.
        tables: Where offers have a name; None where there are no tables.

    Raises:
        UsageError: netlift does not speak the language.
    """
    words = speak(language)
    names = {}
    if tables is not None and "offers" in tables and tables.has("offers", "name"):
        offers = tables["offers"].select("offer_id", "name").order_by("offer_id", "name").to_pyarrow()
        names = {f"offer.{row['offer_id']}": row["name"] for row in offers.to_pylist() if row["name"]}
    own = dict(settings.names.in_language(words.language))
    names |= {f"offer.{key.removeprefix('journey.')}": name for key, name in own.items() if key.startswith("journey.")}
    names |= own
    cleaned = {key: clean(name) for key, name in names.items()}
    return words.with_names({key: name for key, name in cleaned.items() if name})


__all__ = ["speak_of"]
