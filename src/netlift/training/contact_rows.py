"""Training rows of uplift: randomized assignments and their outcomes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from netlift.config.definitions import UpliftDefinition, WearSettings
from netlift.config.settings import did_you_mean
from netlift.data.assigned_days import read_assigned_days
from netlift.data.contract import CONTROL
from netlift.data.history import History
from netlift.data.read import Tables
from netlift.errors import ConfigError, DataError, HistoryTooShortError, NotRandomizedError
from netlift.estimators.boosting.lightgbm import Machine
from netlift.estimators.cross_fit import sample_customers
from netlift.estimators.rows import ContactRows
from netlift.features.build import Queries, build_features
from netlift.features.labels import sum_outcomes
from netlift.features.matrix import FeatureMatrix
from netlift.features.vocabulary import Vocabulary
from netlift.training.customer_rows import drop_features
from netlift.training.leakage import require_arms_unforeseen, require_blind_contacts
from netlift.training.uplift.observational import Observed, adjust_observational, mark_observational

if TYPE_CHECKING:
    import pandas as pd

DAY = np.timedelta64(86_400_000_000, "us")
CONTACT_COLUMNS = (
    "campaign_id", "customer_id", "assigned_at", "offer_id", "propensity", "contact_cost", "reward_cost",
)  # fmt: skip


def build_contact_rows(
    tables: Tables,
    definition: UpliftDefinition,
    vocabulary: Vocabulary,
    *,
    rows_per_partition: int,
    history: History,
    seed: int,
    mistrusted: Mapping[str, str] = MappingProxyType({}),
    unit: str = "currency/customer",
) -> tuple[ContactRows, tuple[str, ...], tuple[str, ...]]:
    """Assigned customers of the randomized campaigns, with features before and profit after the assignment.

    Campaigns that nobody randomized are among them only where the definition names them in `observational` and they
    stand what `pipelines.observational` asks; `mark_observational` tells their rows.

    Args:
        tables: The business's tables.
        definition: Observation window and exclusions.
        vocabulary: Values of the categorical columns.
        rows_per_partition: Receipts held at once.
        history: Days covered by receipts; a campaign whose outcome window is not over by its end is left out.
        seed: Where the sample of customers comes from, when there are more contacts than the definition allows.
        mistrusted: Campaigns that the check speaks against, and why; left out.
        unit: Unit of money per customer, for what is told of observational campaigns.

    Returns:
        The rows, the campaigns in order of start (their position is the rows' code), and notes on what was left out.

    Raises:
        NotRandomizedError: No campaign was randomized with known propensities, or an observational one does not stand
            what is asked of it.
        ConfigError: `observational` names a campaign that is not there, or one that was randomized.
        DataError: A randomized campaign has no control, or propensities outside (0, 1].
        LeakageError: A feature knows what came after the assignment.
    """
    contacts, notes = _usable_contacts(tables, history, mistrusted, definition.observational)
    _require_control(contacts[~contacts.campaign_id.isin(definition.observational)])
    if len(contacts) > definition.max_rows:
        ids = contacts.customer_id.to_numpy(dtype=object).astype(str)
        kept = contacts.take(sample_customers(ids, most=definition.max_rows, seed=seed))
        notes = (*notes, f"{len(kept):,} of {len(contacts):,} contacts, whole customers drawn at random")
        contacts = kept.reset_index(drop=True)
    contacts = _with_costs(contacts, tables)
    queries = Queries(
        customer_id=contacts.customer_id.to_numpy(dtype=object),
        cutoff=contacts.assigned_at.to_numpy(dtype="datetime64[us]"),
    )
    features = build_features(
        tables,
        queries,
        vocabulary,
        observation_days=definition.observation_days,
        rows_per_partition=rows_per_partition,
    )
    features = drop_features(features, definition.exclude)
    require_blind_contacts(tables, queries, vocabulary, observation_days=definition.observation_days, seed=seed)
    rows, campaigns = _assemble(tables, contacts, features)
    if definition.wear is not None:
        rows = replace(
            rows,
            stayed=_stayed(tables, contacts, history, watched_days=definition.wear.watched_days),
            annoyed=_annoyed(tables, contacts, definition.wear),
            window_days=float(contacts.outcome_days.max()),
        )
    mark = mark_observational(rows, campaigns, definition.observational)
    drawn = rows if mark is None else rows.take(~mark.rows)
    notes = (*notes, require_arms_unforeseen(drawn, campaigns)) if len(drawn) else notes
    if mark is None:
        return rows, campaigns, notes
    picked = contacts[mark.rows]
    observed = Observed(
        rows=rows.take(mark.rows),
        earlier=_earlier_features(tables, picked, vocabulary, features, definition.observation_days),
        campaigns=campaigns,
        unit=unit,
        level=definition.gates.level,
        machine=Machine(seed=seed, threads=1),
    )
    adjusted = adjust_observational(observed)
    rows = mark.replace_rows(rows, propensity=adjusted.propensity, kept=adjusted.kept)
    left = mark_observational(rows, campaigns, definition.observational)
    return rows, campaigns, (*notes, *([left.note] if left else []), *adjusted.notes)


def _assemble(tables: Tables, contacts: pd.DataFrame, features: FeatureMatrix) -> tuple[ContactRows, tuple[str, ...]]:
    """Contacts in order with their features as rows to learn from, and the campaigns in order of start."""
    started = contacts.groupby("campaign_id").assigned_at.min()
    campaigns = sorted(started.index, key=lambda name: (started[name], name))
    offers = tuple(sorted(set(contacts.offer_id) - {CONTROL}))
    arm_of = {CONTROL: 0} | {offer: i + 1 for i, offer in enumerate(offers)}
    arm = contacts.offer_id.map(arm_of).to_numpy(dtype=np.int64)
    campaign = contacts.campaign_id.map({name: i for i, name in enumerate(campaigns)}).to_numpy(dtype=np.int64)
    drawn = np.zeros((len(campaigns), len(offers) + 1), dtype=bool)
    drawn[campaign, arm] = True
    queries = Queries(customer_id=features.customer_id, cutoff=features.cutoff)
    window = contacts.outcome_days.to_numpy(dtype=np.int64) * DAY
    outcome = sum_outcomes(tables, queries, start=queries.cutoff, end=queries.cutoff + window)
    before = sum_outcomes(tables, queries, start=queries.cutoff - window, end=queries.cutoff)
    cost = contacts.contact_cost.to_numpy(dtype=np.float64) + contacts.reward_cost.to_numpy(dtype=np.float64)
    rows = ContactRows(
        X=features.X,
        features=features.features,
        y=outcome.margin - cost,
        margin=outcome.margin,
        offers=offers,
        arm=arm,
        propensity=contacts.propensity.to_numpy(dtype=np.float64),
        available=drawn[campaign],
        customer=np.unique(queries.customer_id.astype(str), return_inverse=True)[1].astype(np.int64),
        campaign=campaign,
        before=before.margin,
        reward=contacts.reward_cost.to_numpy(dtype=np.float64),
    )
    return rows, tuple(campaigns)


def _stayed(tables: Tables, contacts: pd.DataFrame, history: History, *, watched_days: int) -> np.ndarray:
    """Who bought in the days after the outcome window: 1 or 0, NaN where they are not over, shape (n,)."""
    start = contacts.assigned_at.to_numpy(dtype="datetime64[us]") + contacts.outcome_days.to_numpy(dtype=np.int64) * DAY
    end = start + watched_days * DAY
    queries = Queries(customer_id=contacts.customer_id.to_numpy(dtype=object), cutoff=start)
    bought = sum_outcomes(tables, queries, start=start, end=end).purchases > 0
    return np.where(end <= np.datetime64(history.end, "us"), bought, np.nan)


def _annoyed(tables: Tables, contacts: pd.DataFrame, wear: WearSettings) -> np.ndarray | None:
    """Who complained or opted out in the days from that of the contact on: 1 or 0, shape (n,); None without events."""
    if "events" not in tables:
        return None
    events = tables["events"]
    told = events.filter(events.kind.isin(wear.annoyed_by)).select("customer_id", "occurred_at").to_pandas()
    day = contacts.assigned_at.dt.normalize()
    first = contacts[["customer_id"]].assign(row=np.arange(len(contacts)), day=day)
    both = first.merge(told, on="customer_id")
    soon = (both.occurred_at >= both.day) & (both.occurred_at < both.day + timedelta(days=wear.annoyed_days))
    annoyed = np.zeros(len(contacts))
    annoyed[both.row[soon]] = 1.0
    return annoyed


def _earlier_features(
    tables: Tables, contacts: pd.DataFrame, vocabulary: Vocabulary, features: FeatureMatrix, observation_days: int
) -> np.ndarray:
    """The features as of the first of as many days before as the outcome window is long; NaN for who joined later."""
    start = contacts.assigned_at.to_numpy(dtype="datetime64[us]") - contacts.outcome_days.to_numpy(dtype=np.int64) * DAY
    queries = Queries(customer_id=contacts.customer_id.to_numpy(dtype=object), cutoff=start)
    X = build_features(tables, queries, vocabulary, observation_days=observation_days, names=features.names).X
    customers = tables["customers"].select("customer_id", "joined_at").to_pandas().set_index("customer_id").joined_at
    joined = customers.loc[list(queries.customer_id)].to_numpy(dtype="datetime64[us]")
    return np.where((joined < start)[:, None], X, np.float32("nan"))


def _usable_contacts(
    tables: Tables, history: History, mistrusted: Mapping[str, str], consented: Collection[str]
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Contacts of campaigns that can teach an effect, and notes on those left out."""
    missing = [name for name in ("campaigns", "contacts", "offers") if name not in tables]
    if missing:
        raise DataError(f"uplift needs the tables {', '.join(missing)}, which the config does not name")
    campaigns = tables["campaigns"].select("campaign_id", "outcome_days", "randomized").to_pandas()
    contacts = (
        tables["contacts"]
        .select(*CONTACT_COLUMNS)
        .to_pandas()
        .merge(campaigns, on="campaign_id", validate="many_to_one")
    )
    known = contacts.customer_id.isin(tables["customers"].customer_id.to_pandas())
    strangers = int((~known).sum())
    notes = [f"{strangers:,} contacts of customers that the table does not know, left out"] if strangers else []
    contacts = contacts[known]
    journeys = sorted(set(contacts.campaign_id[contacts.offer_id == contacts.campaign_id]))
    notes += [f"campaign {name}: a journey, which is no offer, left out of training" for name in journeys]
    contacts = contacts[~contacts.campaign_id.isin(journeys)]

    by_campaign = contacts.groupby("campaign_id")
    unlogged = by_campaign.propensity.apply(lambda chances: bool(chances.isna().any()))
    denied = by_campaign.randomized.apply(lambda flags: flags.iloc[0] is not None and not flags.iloc[0])
    hand_picked = set(unlogged.index[unlogged]) | set(denied.index[denied])
    broken = set(mistrusted) - hand_picked
    _require_consent_needed(consented, known=list(campaigns.campaign_id), needed=hand_picked | broken)
    hand_picked, broken = hand_picked - set(consented), broken - set(consented)
    end = np.datetime64(datetime.combine(history.end, datetime.min.time()), "us")
    over = contacts.assigned_at + contacts.outcome_days.map(lambda days: timedelta(days=float(days))) <= end
    days = read_assigned_days(tables["contacts"])
    apart = {name for name, found in days.items() if found.differ} - hand_picked - broken
    unfinished = set(contacts.campaign_id[~over]) - hand_picked - broken - apart
    for campaigns_out, why in (
        (hand_picked, "not randomized, or propensities unknown"),
        (broken, ""),
        (apart, "arms assigned on other days than control"),
        (unfinished, "outcome window not over"),
    ):
        notes += [f"campaign {name}: {why or mistrusted[name]}, left out of training" for name in sorted(campaigns_out)]
    if not set(unlogged.index) - hand_picked - broken - apart:
        raise NotRandomizedError(
            f"contacts: {len(unlogged)} campaigns, {len(hand_picked)} not randomized or without known propensities, "
            f"{len(broken)} that the check speaks against, {len(apart)} with arms assigned on other days: nobody can "
            "tell what a contact changed. Run a campaign with a random control and log contacts.propensity, or name "
            "campaigns in the definition's `observational`: their chances are then estimated, and everything made "
            "from them says so"
        )
    usable = contacts[~contacts.campaign_id.isin(hand_picked | broken | apart | unfinished)]
    if usable.empty:
        raise HistoryTooShortError("contacts: no campaign's outcome window is over; wait, or bring newer receipts")
    return usable.sort_values(["assigned_at", "campaign_id", "customer_id"], ignore_index=True), tuple(notes)


def _require_consent_needed(consented: Collection[str], *, known: list[str], needed: Collection[str]) -> None:
    """Refuse a consent to a campaign that is not there, or to one that needs none."""
    for name in consented:
        if name not in known:
            raise ConfigError(f"observational: {name!r} is no campaign{did_you_mean(name, known)}")
        if name not in needed:
            raise ConfigError(
                f"observational: campaign {name!r} was randomized with known propensities, which are better than any "
                "estimate: take it out of the list"
            )


def _with_costs(contacts: pd.DataFrame, tables: Tables) -> pd.DataFrame:
    """The contacts with what each cost: as logged, else as the offer says, nothing for control."""
    planned = tables["offers"].select("offer_id", "contact_cost").to_pandas().set_index("offer_id").contact_cost
    by_offer = contacts.offer_id.map(planned).where(contacts.offer_id != CONTROL, 0.0)
    return contacts.assign(
        contact_cost=contacts.contact_cost.fillna(by_offer).fillna(0.0),
        reward_cost=contacts.reward_cost.fillna(0.0),
    )


def _require_control(contacts: pd.DataFrame) -> None:
    controls = contacts.groupby("campaign_id").offer_id.apply(lambda offers: int((offers == CONTROL).sum()))
    without = sorted(controls.index[controls == 0])
    if without:
        raise DataError(
            f"contacts: campaigns {without[:5]} say they are randomized and have no row with offer_id {CONTROL!r}; log "
            "the control arm too, or set campaigns.randomized to false"
        )
    wrong = contacts[~((contacts.propensity > 0) & (contacts.propensity <= 1))]
    if len(wrong):
        raise DataError(
            f"contacts.propensity: {len(wrong):,} values outside (0, 1] in campaigns "
            f"{sorted(set(wrong.campaign_id))[:5]}; log the chance of the arm that was drawn"
        )
