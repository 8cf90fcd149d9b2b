"""A small set of rules, and customers whom they are asked about."""

from __future__ import annotations

from datetime import datetime

import numpy as np

from netlift.config.decision import DecisionSettings
from netlift.decisions.eligibility.eligibility import Customers
from netlift.decisions.eligibility.options import make_options

NOW = datetime(2026, 10, 5)
OFFERS = {
    "mail": {"channel": "email", "contact_cost": 0.5, "valid_from": None, "valid_to": None},
    "text": {"channel": "sms", "contact_cost": 4.0, "valid_from": None, "valid_to": None},
    "talk": {"channel": "call", "contact_cost": 40.0, "valid_from": None, "valid_to": None},
}


def content(**changes):
    """The rules as a file would have them; `changes` replace whole blocks."""
    plain = {
        "budget": 1000,
        "channels": {"email": {"fatigue": 1}, "sms": {"fatigue": 2}, "call": {"fatigue": 10, "at_most": 5}},
        "offers": {
            "mail": {"channel": "email", "reward": 100, "redeemed_by": 0.1},
            "text": {"channel": "sms", "reward": "as_logged", "redeemed_by": "from_model"},
            "talk": {"channel": "call", "reward": 0, "redeemed_by": 0},
        },
        "contact_policy": {
            "limits": [{"at_most": 1, "days": 7, "channel": "sms"}, {"at_most": 3, "days": 28}],
            "quiet_after_purchase_days": 2,
            "quiet_after_complaint_days": 30,
        },
        "consent": {"max_age_hours": 24},
        "holdout": {"share": 0.05, "salt": "shop", "rotate_months": 12, "washout_days": 28},
        "explore": {"epsilon": 0.08, "floor": 0.02, "most_of_limits": 0.2, "untrained": "refuse"},
    }
    return plain | changes


def rules(**changes):
    return DecisionSettings.model_validate(content(**changes))


def options_of(settings):
    return make_options(settings, OFFERS)


def customers(n, options=3, **changes):
    """n customers to whom everything is open; `changes` replace arrays."""
    no, yes = np.zeros(n, dtype=bool), np.ones(n, dtype=bool)
    channels = ("email", "sms", "call")
    known = {
        "columns": {},
        "consent": dict.fromkeys(channels, yes),
        "opted_out": dict.fromkeys(channels, no),
        "left": no,
        "in_journey": no,
        "held_out": no,
        "reserved": no,
        "pressed": dict.fromkeys(channels, no),
        "days_since_purchase": np.full(n, np.nan),
        "days_since_complaint": np.full(n, np.nan),
        "in_window": np.zeros((n, options), dtype=bool),
        "has_effect": np.ones((n, options), dtype=bool),
    }
    return Customers(**(known | changes))
