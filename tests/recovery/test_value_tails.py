"""Intervals of one customer's value leave 2.5 % outside on either side, out of time, on the simulated retailer."""

from datetime import date, datetime, time
from pathlib import Path

import numpy as np
import pytest

from netlift.config.business import load
from netlift.config.definitions import LtvDefinition, load_definition
from netlift.data.checks.quality import name_money
from netlift.data.history import read_history
from netlift.data.read import open_tables
from netlift.features.vocabulary import learn_vocabulary
from netlift.pipelines.simulate import simulate_business
from netlift.progress import Silent
from netlift.training import value as train_value
from netlift.training.ltv import LtvJudge
from netlift.training.task import TrainingTask

pytestmark = pytest.mark.slow

HOUSE = Path(__file__).parents[2]
SEEDS = (1, 2, 3, 4)


class Witness(LtvJudge):
    """A judge that tells what was predicted for the test rows, and what came."""

    seen: dict[str, np.ndarray]

    def further_metrics(self, model):
        type(self).seen = {**self.ask(model), "y": self.test.y}
        return super().further_metrics(model)


def predict(folder: Path, seed: int) -> dict[str, np.ndarray]:
    """Values of the test cutoff of a retailer of its own, with what came."""
    text = (HOUSE / "configs/demo.yaml").read_text(encoding="utf-8")
    (folder / "shop.yaml").write_text(text.replace("../models", str(HOUSE / "models")).replace("../var", str(folder)))
    settings = load(folder / "shop.yaml")
    simulate_business(settings, customers=3000, seed=seed, end=date(2026, 10, 1), progress=Silent())
    known = load_definition(HOUSE / "models/ltv.yaml", "ltv")
    search = known.search.model_copy(update={"trials": 1})
    definition = known.model_copy(update={"candidates": ("tweedie",), "search": search})
    with open_tables(settings) as tables:
        history = read_history(tables)
        train_value.train_value(
            TrainingTask(
                settings=settings,
                definition=definition,
                tables=tables,
                history=history,
                vocabulary=learn_vocabulary(tables, before=datetime.combine(history.end, time())),
                progress=Silent(),
                money=name_money(tables),
            )
        )
    return Witness.seen


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(train_value.JUDGES, LtvDefinition, Witness)
        worlds = [predict(tmp_path_factory.mktemp(f"retailer{seed}"), seed) for seed in SEEDS]
    return {name: np.concatenate([world[name] for world in worlds]) for name in worlds[0]}


def test_two_and_a_half_of_a_hundred_come_to_more_than_their_upper_end(seen):
    assert np.mean(seen["y"] > seen["ltv_182d_upper"]) == pytest.approx(0.025, abs=0.01)


def test_nobody_falls_below_nothing_and_two_and_a_half_of_a_hundred_below_a_lower_end_above_it(seen):
    below, above_nothing = seen["y"] < seen["ltv_182d_lower"], seen["ltv_182d_lower"] > 0
    assert np.mean(below) <= 0.035
    assert 300 < above_nothing.sum() < len(below) / 2
    assert np.mean(below[above_nothing]) == pytest.approx(0.025, abs=0.01 + 3 * np.sqrt(0.025 / above_nothing.sum()))
