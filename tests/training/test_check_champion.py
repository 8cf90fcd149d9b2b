from types import SimpleNamespace

import pytest

from netlift.errors import ModelIntegrityError, NetliftError, SchemaDriftError
from netlift.registry.package import content_digest
from netlift.results import Estimate
from netlift.training import publish

FILES = {"model.json": b"{}"}
WORSE = Estimate(point=-1.0, ci_lower=-2.0, ci_upper=0.0, level=0.95, unit="RUB/customer", method="paired")


def champion(content: str = "another") -> SimpleNamespace:
    return SimpleNamespace(task="churn", version=1, tags={publish.CONTENT_TAG: content})


def trained() -> SimpleNamespace:
    return SimpleNamespace(measure="profit", against=lambda standing: WORSE)


def test_a_worse_model_does_not_beat_the_champion(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publish, "load", lambda *_: SimpleNamespace(model=None))
    assert not publish._check_champion(None, trained(), champion(), FILES).passed


def test_the_champions_own_bytes_need_not_beat_themselves() -> None:
    check = publish._check_champion(None, trained(), champion(content_digest(FILES)), FILES)
    assert (check.passed, check.words) == (True, "It is the champion, byte for byte.")


@pytest.mark.parametrize("refusal", [SchemaDriftError("purchases_7d is gone"), ModelIntegrityError("a byte changed")])
def test_a_champion_that_cannot_be_asked_does_not_stop_its_successor(
    monkeypatch: pytest.MonkeyPatch, refusal: NetliftError
) -> None:
    def load(*_: object) -> None:
        raise refusal

    monkeypatch.setattr(publish, "load", load)
    check = publish._check_champion(None, trained(), champion(), FILES)
    assert check.passed
    assert str(refusal) in check.words
