"""The next best offer as one stored model: a champion's effects and today's economics.

    profit_a(x) = uplift_a(x) + put back_a(x) - contact cost_a - expected reward_a(x) - fatigue_a - worn_a(x)

The effects hold the costs of the campaigns that they were learned from; those are put back, and today's taken off: the
arithmetic is that of `decision/value.py`, from which the constants come. The best offer is the one of largest profit
above 0, the first of the config among equals. Where the effect of one of them is not a number, the best offer is none,
the reason says so, and no profit is named: nobody is contacted on what nobody knows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from netlift.decisions.next_best_offer.economics import OfferEconomics
from netlift.estimators.expression import Expression, constant, linear, maximum, name_of_largest
from netlift.estimators.stored import sha256
from netlift.registry.models import CHAMPION, ModelVersion, aliases, describe, model_name
from netlift.registry.store import Store
from netlift.registry.tracking import TAG
from netlift.results import format_number

TASK, UPLIFT = "next-best-offer", "uplift"  # registered as netlift-next-best-offer
NONE = "none"
BEST, EXPECTED, REASON = "best_offer", "expected_profit", "reason"
PAYS, NOTHING_PAYS, NO_EFFECT_KNOWN = "pays", "nothing_pays", "no_effect_known"  # the last two as decisions say them
ECONOMICS_FILE = "economics.json"
UPLIFT_VERSION = "uplift_version"
REWARD_CHANGED = 0.01


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What a next best offer is made from.

    Attributes:
        uplift: The version of uplift.
        currency: Of all money.
        offers: Economics of each offer, in the order of the config.
        left_out: Offers of the config whose effect the model does not know.
        digests: Of the config, its decision block and the definition, by name; not part of the stored form.
        observational: Campaigns that nobody randomized and that the effects come from; empty for none.
    """

    uplift: ModelVersion
    currency: str
    offers: Sequence[OfferEconomics]
    left_out: tuple[str, ...] = ()
    digests: Mapping[str, str] = field(default_factory=dict)
    observational: str = ""

    def economics(self) -> bytes:
        """What of it is part of the stored form, as JSON bytes; the same economics give the same bytes."""
        plain = {
            "schema_version": 1,
            "currency": self.currency,
            "uplift": {"version": self.uplift.version, "digest": self.uplift.digest},
            "offers": [{**asdict(offer), "constant": offer.constant} for offer in self.offers],
            "left_out": list(self.left_out),
        }
        return json.dumps(plain, ensure_ascii=False, indent=1).encode()


def known_offers(files: Mapping[str, bytes]) -> frozenset[str]:
    """Offers whose effect the stored form of an uplift model knows."""
    names = [output["name"] for output in json.loads(files["model.json"])["outputs"]]
    return frozenset(name.removeprefix("uplift_") for name in names if name.startswith("uplift_"))


def predicted_rewards(files: Mapping[str, bytes]) -> frozenset[str]:
    """Offers whose reward the stored form of an uplift model predicts."""
    names = [output["name"] for output in json.loads(files["model.json"])["outputs"]]
    return frozenset(name.removeprefix("reward_") for name in names if name.startswith("reward_"))


def compose(uplift: Mapping[str, bytes], origin: Origin) -> dict[str, bytes]:
    """The stored form: best_offer, expected_profit, reason, and profit_<offer> of every offer, from the same features.

    All other files of the uplift model travel with it: boosters, what scoring must know, what training looked like.

    Args:
        uplift: The stored form of the uplift model.
        origin: What is added to its effects.
    """
    spec: dict[str, Any] = json.loads(uplift["model.json"])
    effects = {output["name"]: output["expression"] for output in spec["outputs"]}
    names = [offer.offer_id for offer in origin.offers]
    profits = [_profit(offer, effects) for offer in origin.offers]
    largest = maximum([constant(0.0), *profits])
    outputs = [
        (BEST, "offer", name_of_largest(names, profits, none=NONE, unknown=NONE)),
        (EXPECTED, origin.currency, largest),
        (REASON, "reason", name_of_largest([PAYS], [largest], none=NOTHING_PAYS, unknown=NO_EFFECT_KNOWN)),
        *((f"profit_{name}", origin.currency, profit) for name, profit in zip(names, profits, strict=True)),
    ]
    spec |= {"task": TASK, "outputs": [{"name": n, "unit": unit, "expression": e} for n, unit, e in outputs]}
    content = json.dumps(spec, ensure_ascii=False, indent=1).encode()
    return {**uplift, "model.json": content, ECONOMICS_FILE: origin.economics()}


def _profit(offer: OfferEconomics, effects: Mapping[str, Expression]) -> Expression:
    """Effect and economics of an offer, each customer's own where the model knows them."""
    own = {"uplift": 1.0, "reward": offer.own_reward, "worn": -1.0}
    parts = {f"{what}_{offer.offer_id}": weight for what, weight in own.items() if weight}
    known = {name: weight for name, weight in parts.items() if name in effects}
    return linear(offer.constant, [*known.values()], [effects[name] for name in known])


def metadata_of(origin: Origin) -> dict[str, str]:
    """What is noted on the version: where it comes from; its gate is that of its uplift model, which has passed."""
    notes = {
        "currency": origin.currency,
        "gate": "passed",
        UPLIFT_VERSION: str(origin.uplift.version),
        "uplift_digest": origin.uplift.digest,
        "economics_digest": sha256(origin.economics()),
        "left_out": ", ".join(origin.left_out),
        **{f"{name}_digest": digest for name, digest in origin.digests.items()},
    }
    return notes | ({"observational": origin.observational} if origin.observational else {})


def uplift_version(version: ModelVersion) -> int:
    """The version of uplift that a next best offer was made from."""
    return int(version.tags[f"{TAG}{UPLIFT_VERSION}"])


def find_lag(store: Store) -> str:
    """What is wrong where the champion was not made from the uplift champion; empty where all is well."""
    leads, stands_on = aliases(store, TASK).get(CHAMPION), aliases(store, UPLIFT).get(CHAMPION)
    if leads is None:
        return ""
    made_from = uplift_version(describe(store, TASK, leads))
    if made_from == stands_on:
        return ""
    now = "none" if stands_on is None else f"version {stands_on}"
    return (
        f"{model_name(TASK)} version {leads} was made from {model_name(UPLIFT)} version {made_from}, whose champion is "
        f"{now}: make it anew"
    )


def render_card(origin: Origin, *, description: str) -> str:
    """The model card, Markdown: what is added to the effects and where it must not be trusted."""
    heads = ["offer", "channel", "put back", "contact", "reward", "fatigue", "added to the effect"]
    rows = [
        [o.offer_id, o.channel, *map(format_number, (o.put_back, o.contact_cost, o.reward, o.fatigue, o.constant))]
        for o in origin.offers
    ]
    table = ["| " + " | ".join(cells) + " |" for cells in (heads, ["---"] * len(heads), *rows)]
    source = f"{model_name(UPLIFT)} version {origin.uplift.version}"
    digests = [f"- {name} digest: `{digest}`" for name, digest in origin.digests.items()]
    sections = [
        f"# {model_name(TASK)}\n\n{description}",
        f"## What it stands on\n\nEffects of {source} (`{origin.uplift.digest}`), which passed its own gate; nothing "
        f"is trained here. {origin.currency} a contact:\n\n" + "\n".join(table),
        "## Limits\n\n" + "\n".join(f"- {limit}" for limit in find_limits(origin)),
        "\n".join(["## Where it comes from\n", *digests, f"- economics digest: `{sha256(origin.economics())}`"]),
    ]
    return "\n\n".join(sections) + "\n"


def find_limits(origin: Origin) -> tuple[str, ...]:
    """What a reader must not conclude."""
    limits = [
        "It knows money alone: consent, eligibility, contact policy, holdout, budget and exploration are asked by "
        "`netlift decide`, and nothing may go out by this model alone.",
        f"Every column must be there. Where the effect of an offer is not a number, the best offer is {NONE}, the "
        f"reason {NO_EFFECT_KNOWN}, and the profits that rest on it are missing.",
    ]
    if origin.observational:
        limits.append(f"observational: campaign {origin.observational} was not randomized, and the effects rest on it.")
    if origin.left_out:
        limits.append(f"Left out, since no campaign has tried them: {', '.join(origin.left_out)}.")
    saving = [offer.offer_id for offer in origin.offers if offer.save_rate]
    if saving:
        limits.append(
            f"What {', '.join(saving)} would keep of those about to leave is not in the profit: that needs the "
            "champions of churn and ltv, which `netlift decide` asks."
        )
    limits += [
        f"The reward of {o.offer_id} is {format_number(o.reward)} {origin.currency} a contact and was "
        f"{format_number(o.reward_before)} in training; another reward pulls differently."
        for o in origin.offers
        if abs(o.reward - o.reward_before) > REWARD_CHANGED * o.reward_before
    ]
    return tuple(limits)


__all__ = [
    "BEST", "ECONOMICS_FILE", "EXPECTED", "NONE", "NOTHING_PAYS", "NO_EFFECT_KNOWN", "PAYS", "REASON", "TASK", "UPLIFT",
    "Origin", "compose", "find_lag", "find_limits", "known_offers", "metadata_of", "predicted_rewards",
    "render_card", "uplift_version",
]  # fmt: skip
