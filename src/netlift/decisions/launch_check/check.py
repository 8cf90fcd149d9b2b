"""Launch check of a decision run, or the reason why there is none, in plain numbers.

A trigger's list has no table: its customers are those in whose life something happened just now, and held-out contacts
are not told by what happened, so rivals on them would say nothing of the list. Its predictions are corrected by the
same line all the same, for they are chosen by the same model among the same offers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from netlift.config.decision import DecisionSettings
from netlift.decisions.choice.choose import Decided
from netlift.decisions.launch_check.replay import BEST, POLICY, RESPONSE, RULES, LaunchPolicy, PolicyProof, prove_policy
from netlift.decisions.launch_check.result import BeforeLaunch, PolicyName, ProvedPolicy, WhyNot
from netlift.errors import DataError
from netlift.evaluation.policy.comparison import AT_RANDOM
from netlift.evaluation.policy.off_policy import NOBODY
from netlift.training.uplift.evidence_rows import ProofRows

NAMES: Mapping[str, PolicyName] = {
    POLICY: "policy",
    NOBODY: "nobody",
    BEST: "best",
    RESPONSE: "likely_buyers",
    RULES: "rules",
    AT_RANDOM: "at_random",
}


@dataclass(frozen=True, kw_only=True)
class RunProof:
    """The proof of a run.

    Attributes:
        proof: What was found on held-out contacts; None where nothing could be.
        why_not: Why there is no table; empty where there is one.
    """

    proof: PolicyProof | None
    why_not: WhyNot

    def to_plain(self) -> BeforeLaunch:
        """The proof as plain numbers."""
        found = self.proof
        if found is None or self.why_not:
            return BeforeLaunch(why_not=self.why_not)
        worth = found.worth
        return BeforeLaunch(
            why_not="",
            policies=tuple(
                ProvedPolicy(
                    name=NAMES[row.policy],
                    value=row.value,
                    ours_above=row.ours_above,
                    contacted=row.contacted,
                    in_reach=row.policy == POLICY or row.policy in found.in_reach,
                    effective_rows=row.effective_rows,
                    max_weight=row.max_weight,
                    without_support=row.without_support,
                )
                for row in found.policies
            ),
            rows=found.rows,
            contacts=found.contacts,
            how=found.how,
            predicted=None if worth is None else worth.predicted,
            realised=None if worth is None else worth.level,
            slope=None if worth is None else worth.slope,
            not_asked=found.not_asked,
            not_learned=found.not_learned,
        )


def prove_run(
    rows: ProofRows | None, decision: DecisionSettings, decided: Decided, net: np.ndarray, *, is_list: bool
) -> RunProof:
    """Prove the policy of a run at its own prices.

    Args:
        rows: What the training of the champion kept; None where it kept nothing.
        decision: The rules; held-out rows do not know whose strategy a customer is of, so these are taken as not there.
        decided: The run.
        net: Predictions of the model less what contacts wear out, NaN where unknown, shape (n, m).
        is_list: Whether it is a trigger's list.
    """
    if rows is None:
        return RunProof(proof=None, why_not="missing")
    policy = LaunchPolicy.of(decided, net)
    if not set(rows.offers) & {option.offer_id for option in policy.options}:
        return RunProof(proof=None, why_not="unlearned")
    try:
        proof = prove_policy(rows, policy)
    except DataError:  # a policy whose choices no held-out row drew
        return RunProof(proof=None, why_not="undrawn")
    strategies = [criterion.name for strategy in decision.strategies for criterion in strategy.criteria]
    proof = replace(proof, not_asked=tuple(dict.fromkeys([*proof.not_asked, *strategies])))
    return RunProof(proof=proof, why_not="list" if is_list else "")


__all__ = ["RunProof", "prove_run"]
