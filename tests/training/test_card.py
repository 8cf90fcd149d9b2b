from dataclasses import dataclass, replace

from netlift.results import Estimate, Table
from netlift.training.card import CardContent, render_card
from netlift.training.gate import calibration_within, judge


@dataclass(frozen=True, kw_only=True)
class Entry:
    candidate: str
    roc_auc: Estimate


def test_a_card_states_data_windows_metrics_gate_limits_and_origin():
    auc = Estimate(point=0.81234, ci_lower=0.79, ci_upper=0.83, level=0.95, unit="", method="DeLong")
    content = CardContent(
        task="churn",
        description="Chance that a customer buys nothing.",
        estimator="lightgbm",
        currency="RUB",
        population="Customers with a purchase within 365 days before the cutoff.",
        date_range=("2024-01-01", "2026-06-30"),
        windows={"observation_days": 730, "horizon_days": 90},
        row_counts={"training": 81_234, "dropped": 0},
        digests={"data": "abc", "config": "def"},
        catalogue_version="1",
        leaderboard=Table(name="leaderboard", rows=(Entry(candidate="lightgbm", roc_auc=auc),)),
        metrics={"roc_auc": auc},
        gate=judge(calibration_within(0.01, bound=0.03)),
        limits=("Trained on six cutoffs.",),
        commit="0123abc",
    )
    card = render_card(content)
    for part in (
        "# netlift-churn: lightgbm",
        "From 2024-01-01 to 2026-06-30.",
        "- horizon: 90 days",
        "- rows, training: 81,234",
        "| roc_auc | 0.812 | 0.79 to 0.83 (95 %) |",
        "**Passed.**",
        "- Trained on six cutoffs.",
        "data digest: `abc`",
        "code: `0123abc`",
        "Money is in RUB.",
    ):
        assert part in card
    assert render_card(content) == card


def test_a_card_explains_and_shows_only_what_was_made():
    bare = CardContent(
        task="uplift",
        description="Profit that an offer adds.",
        estimator="two_part",
        currency="RUB",
        population="Customers.",
        date_range=("2024-01-01", "2026-06-30"),
        windows={},
        row_counts={},
        digests={},
        catalogue_version="1",
        leaderboard=Table(name="leaderboard", rows=()),
        metrics={},
        gate=judge(calibration_within(0.01, bound=0.03)),
    )
    told = replace(bare, explanation=("If a: offer b.",), figures={"tree.svg": "Whom to offer what"})
    assert "What it does" not in render_card(bare)
    assert "## What it does\n\n- If a: offer b.\n\n![Whom to offer what](figures/tree.svg)" in render_card(told)
