"""The configuration of a business, and the definitions of what it trains."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from netlift.config.business import load
from netlift.config.definitions import DEFINITIONS, load_definition
from netlift.errors import ConfigError

HOUSE = Path(__file__).parents[2]
DEMO = HOUSE / "configs" / "demo.yaml"


def demo(folder, **changes):
    """The demo's settings, as a file in `folder`, with some of its values replaced; None takes one away."""
    content = yaml.safe_load(DEMO.read_text(encoding="utf-8"))
    for place, value in changes.items():
        *parents, last = place.split("__")
        part = content
        for parent in parents:
            part = part[parent]
        if value is None:
            del part[last]
        else:
            part[last] = value
    path = folder / "demo.yaml"
    path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    return path


def refusal(path):
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert caught.value.exit_code == 2
    return str(caught.value)


@pytest.mark.parametrize("path", sorted((HOUSE / "configs").glob("*.yaml")), ids=lambda path: path.name)
def test_every_configuration_of_the_house_loads_and_names_definitions_that_load(path):
    settings = load(path)
    assert settings.models
    for task, definition in settings.models.items():
        assert load_definition(definition, task).task == task


def test_three_mistakes_are_reported_at_once_with_what_was_probably_meant(tmp_path):
    text = refusal(demo(tmp_path, curency="RUB", time_zone="Europe/Moskow", engine__threads=0))
    assert text.splitlines()[0].endswith("demo.yaml: 3 mistakes")
    assert "curency: no such key; did you mean currency?" in text
    assert "time_zone: not a time zone of the IANA list, such as Europe/Moscow, found 'Europe/Moskow'" in text
    assert "engine.threads: " in text
    assert "found 0" in text or "found '0'" in text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"data__tables__costumers": {"path": "x.csv"}}, "unknown table 'costumers'; did you mean customers?"),
        ({"data__tables__transactions": None}, "tables must name transactions"),
        ({"data__adapter": "cdnow"}, "give either tables or an adapter"),
        ({"data__tables": {}, "data__adapter": "cdnw"}, "did you mean cdnow?"),
        ({"currency": "rubles"}, "currency: "),
        ({"name": "Кафе"}, "name: "),
        ({"seed": None}, "seed: missing, and there is no default"),
        ({"check": {"srm_alarm": 0.5}}, "check.srm_alarm: "),
        ({"check": {"max_orphan_share": -0.1}}, "check.max_orphan_share: "),
        ({"time_zone": "../../etc/passwd"}, "not a time zone"),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path, changes, words):
    assert words in refusal(demo(tmp_path, **changes))


def test_paths_are_relative_to_the_configuration(tmp_path, monkeypatch):
    path = demo(tmp_path)
    monkeypatch.chdir("/")
    settings = load(path)
    assert settings.state == (tmp_path / ".." / "var").resolve()
    assert settings.data.tables["customers"].path.is_absolute()


def test_the_digest_does_not_know_where_the_project_stands(tmp_path):
    moved = shutil.copy(DEMO, tmp_path / "demo.yaml")
    assert load(moved).digest() == load(DEMO).digest()


def test_the_digest_knows_what_is_tolerated_and_not_how_many_threads_run(tmp_path):
    base = load(DEMO).digest()
    assert load(demo(tmp_path, engine__threads=1)).digest() == base
    assert load(demo(tmp_path, check={"max_orphan_share": 0.5})).digest() != base
    assert load(demo(tmp_path, time_zone="Europe/Berlin")).digest() != base


def test_an_unknown_task_of_a_definition_says_which_are_known(tmp_path):
    path = tmp_path / "churn.yaml"
    path.write_text((HOUSE / "models" / "churn.yaml").read_text().replace("task: churn", "task: chrun"))
    with pytest.raises(ConfigError, match="did you mean churn"):
        load_definition(path, "churn")


@pytest.mark.parametrize("task", sorted(DEFINITIONS))
def test_a_definition_refuses_a_stray_key_and_a_range_upside_down(tmp_path, task):
    content = yaml.safe_load((HOUSE / "models" / f"{task}.yaml").read_text())
    content["candidtes"] = []
    content["search"]["space"]["learning_rate"] = {"low": 0.2, "high": 0.1}
    path = tmp_path / f"{task}.yaml"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(ConfigError) as caught:
        load_definition(path, task)
    assert "candidtes: no such key; did you mean candidates?" in str(caught.value)
    assert "search.space.learning_rate: low 0.2 must be below high 0.1" in str(caught.value)


def test_a_label_of_no_known_kind_names_the_kinds(tmp_path):
    content = yaml.safe_load((HOUSE / "models" / "churn.yaml").read_text())
    content["label"] = {"kind": "cancelation"}
    path = tmp_path / "churn.yaml"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(ConfigError, match="did you mean cancellation"):
        load_definition(path, "churn")
