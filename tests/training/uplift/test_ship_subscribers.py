"""From the contact rows of a telecom, where everybody pays, to the model that would ship and what speaks for it."""

from pathlib import Path

import numpy as np
import pytest
from contact_world import make_subscribers

from netlift.config.definitions import UpliftDefinition, load_definition
from netlift.estimators.stored import StoredModel
from netlift.evaluation.policy.off_policy import NOBODY, policy_value
from netlift.training.uplift.context import UpliftLearning, constants_for, policy_of
from netlift.training.uplift.fit_final import ship_uplift

pytestmark = pytest.mark.slow

CHECKOUT = Path(__file__).parents[3]


@pytest.mark.parametrize("both_signs", [False, True])
def test_the_shipped_policy_earns_most_of_what_the_best_could_and_its_evidence_agrees(both_signs):
    definition = load_definition(CHECKOUT / "models/uplift.yaml", "uplift")
    assert isinstance(definition, UpliftDefinition)
    search = definition.search.model_copy(update={"trials": 1, "max_rounds": 40})
    candidates = ("paired_effects", "response", "two_part", "t_learner", "dr_learner")
    learning = UpliftLearning(
        definition=definition.model_copy(update={"candidates": candidates, "search": search}),
        seed=5, threads=1, unit="RUB/customer", say=lambda words: None,
    )  # fmt: skip
    world = make_subscribers(3000 if not both_signs else 6000, seed=3, both_signs=both_signs)
    shipped = ship_uplift(learning, world.rows, advance=lambda done, of, words: None)
    assert len(shipped.candidates.rows) == len(candidates)
    policy = policy_of(StoredModel(shipped.candidate.files), world.rows)
    true = np.where(world.rows.available, np.column_stack([np.zeros(len(policy)), world.effects]), -np.inf)
    gain = true[np.arange(len(policy)), policy].mean()
    assert gain > 0.7 * true.max(axis=1).mean()
    nobody = constants_for(shipped.training, shipped.evidence.logged.available)[NOBODY]
    assert shipped.evidence.gain_over(nobody, confidence=0.9).ci_lower > 0
    assert np.isfinite(policy_value(shipped.on_held_out.logged, shipped.on_held_out.policy).point)
