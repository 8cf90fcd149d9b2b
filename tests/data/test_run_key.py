"""Keys of runs: one a question, and a new one where a standing one was made from other inputs."""

import json
from datetime import date

import pytest

from netlift.closed_loop.year import DemoRequest
from netlift.data.run import find_key, name_question
from netlift.errors import UsageError

INPUTS = {"data": "d", "inputs": "abcdef012345"}


def test_the_plain_question_has_the_plain_key_and_others_differ_by_every_part():
    keys = {name_question("own", *question) for question in [("", ""), ("a", ""), ("", "a"), ("a", "a")]}
    assert "own" in keys and len(keys) == 4


def test_a_key_that_stands_from_other_inputs_is_left_alone(tmp_path):
    assert find_key(tmp_path, "", "own", INPUTS) == "own"
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "manifest.json").write_text(json.dumps({"digests": {"inputs": "other"}}))
    assert find_key(tmp_path, "", "own", INPUTS) == "own-anew-abcdef"
    assert find_key(tmp_path, "own", "else", INPUTS) == "own"
    (tmp_path / "own" / "manifest.json").write_text(json.dumps({"digests": INPUTS}))
    assert find_key(tmp_path, "", "own", INPUTS) == "own"
    (tmp_path / "own" / "manifest.json").write_text("{")
    assert find_key(tmp_path, "", "own", INPUTS) == "own"
    with pytest.raises(UsageError, match="--run-key holds"):
        find_key(tmp_path, "../own", "own", INPUTS)


def test_every_option_of_the_demo_is_in_its_key():
    plain = {"customers": 2000, "seed": 1, "start": date(2026, 1, 1)}
    others = ({"rounds": 3}, {"preset": "subscribers"}, {"epsilon": 0.2}, {"rest_days": 5}, {"history_days": 900})
    keys = [DemoRequest(**plain | other).key for other in ({}, {"language": "en"}, {"seed": 2}, *others)]
    assert len(set(keys)) == len(keys)
