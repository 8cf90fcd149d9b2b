import json
from datetime import date

import pytest

from netlift.errors import DataError
from netlift.scorecards.campaign_effects import read_readouts

ESTIMATE = {"point": 10.0, "ci_lower": 5.0, "ci_upper": 15.0, "level": 0.95, "unit": "RUB", "method": "difference"}
PLAIN = {
    "campaign_id": "C1",
    "month": "2026-06",
    "incremental_profit": ESTIMATE,
    "incremental_cost": 4.0,
    "roi": {**ESTIMATE, "point": 12.0},
}


def write(folder, name, content):
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_a_readout_is_read_and_a_study_is_passed_by(tmp_path):
    files = [write(tmp_path, "a.json", PLAIN), write(tmp_path, "b.json", {"question": "?", "outcomes": []})]
    (own,) = read_readouts(files)
    assert (own.campaign_id, own.month, own.incremental_profit.point) == ("C1", date(2026, 6, 1), 10.0)


def test_a_readout_without_a_ratio_is_read_and_an_observational_one_is_passed_by(tmp_path):
    free = write(tmp_path, "a.json", {**PLAIN, "roi": None})
    seen = write(tmp_path, "b.json", {**PLAIN, "campaign_id": "C9", "observational": True})
    (own,) = read_readouts([free, seen])
    assert own.roi is None


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"month": "June"}, "ValueError"),
        ({"incremental_cost": float("nan")}, "incremental_cost is nan"),
        ({"roi": {"point": 1.0}}, "has no 'ci_lower'"),
        ({"incremental_profit": {**ESTIMATE, "ci_lower": 11.0}}, "outside its interval"),
    ],
)
def test_a_readout_that_is_not_whole_is_refused_by_its_file(tmp_path, change, told):
    path = write(tmp_path, "a.json", {**PLAIN, **change})
    with pytest.raises(DataError, match=told) as refused:
        read_readouts([path])
    assert str(path) in str(refused.value)


def test_all_mistakes_are_told_together_and_two_readouts_of_a_campaign_are_one_too_many(tmp_path):
    files = [write(tmp_path, "a.json", PLAIN), write(tmp_path, "b.json", PLAIN), write(tmp_path, "c.json", "{")]
    with pytest.raises(DataError, match="C1 has a readout in") as refused:
        read_readouts(files)
    assert "c.json" in str(refused.value)
