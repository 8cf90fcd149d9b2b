"""Names of the business: config, then the offers' table, then the texts, then the id."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from netlift.config.names import NameSettings
from netlift.report.language import Words


def test_a_language_that_is_not_given_takes_the_other() -> None:
    names = NameSettings(offers={"a": {"ru": "А"}, "b": {"ru": "Б", "en": "B"}}, values={"region": {"77": "Москва"}})
    assert dict(names.in_language("en")) == {"offer.a": "А", "offer.b": "B", "value.region.77": "Москва"}
    assert dict(names.in_language("ru"))["offer.b"] == "Б"


@pytest.mark.parametrize("name", ["", "x" * 81, {}, {"de": "Angebot"}, {"ru": ""}])
def test_a_name_that_no_page_could_show_is_refused(name: object) -> None:
    with pytest.raises(ValidationError):
        NameSettings.model_validate({"offers": {"a": name}})


def test_the_business_goes_before_the_texts_and_the_id() -> None:
    words = Words(language="ru").with_names({"segment.champions": "Золотые"})
    assert words.name("segment", "champions") == "Золотые"
    assert words.name("segment", "loyal") == "Лояльные"
    assert words.name("offer", "sms_300") == "sms_300"
    assert hash(words) == hash(Words(language="ru"))
