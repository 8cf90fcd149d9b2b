"""Nights of journeys through the verb: what is sent to whom, what is never sent twice, and what is read of it."""

from __future__ import annotations

from datetime import timedelta

import pandas as pd
from decide_world import AS_OF, configure, decide, read_run

JOURNEY = {
    "name": "back",
    "trigger": "quiet",
    "control_share": 0.4,
    "outcome_days": 9,
    "exits": ["bought", "opted_out", "complained"],
    "code": {"prefix": "BACK", "days": 7},
    "steps": [
        {"offers": ["push_reminder", "email_discount_10"]},
        {"after_days": 2, "offers": ["email_discount_10"]},
        {"after_days": 1, "offers": ["sms_bonus_300"], "when": ["margin_365d >= 500"]},
        {"after_days": 2, "offers": ["push_reminder", "email_discount_10"]},
    ],
}


def with_journeys(*journeys, **rules):
    def change(decision):
        trigger = {"name": "quiet", "when": "silence", "over_gap": 1.0, "window_days": 31}
        decision.update(budget="unlimited", triggers=[trigger], journeys=list(journeys))
        decision["contact_policy"].update(limits=[], quiet_after_purchase_days=0)
        for channel in decision["channels"].values():
            channel.pop("at_most", None)
        for name, value in rules.items():
            decision[name].update(value) if isinstance(value, dict) else decision.update({name: value})

    return change


def setup(world, *journeys, **rules):
    return configure(
        world, with_journeys(*journeys, **rules), more=lambda content: content["score"].update(max_data_age_days=366)
    )


def night(config, patch, after: int, **asked):
    return decide(config, patch, as_of=AS_OF + timedelta(days=after), **asked)


def events(*runs) -> pd.DataFrame:
    return pd.concat([read_run(run)["journeys"] for run in runs], ignore_index=True)


def test_nights(world, monkeypatch):
    config = setup(world, JOURNEY)
    runs = [night(config, monkeypatch, after) for after in range(11)]
    told = events(*runs)




