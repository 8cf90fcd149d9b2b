"""Markets whose truth is known, for what training ships: what it may learn from, and customers to decide for.

    A B C      one campaign, features drawn (`uplift_worlds`); fresh customers
    retailer   the simulated retailer, and
    sports     the sports-nutrition shop: features as `netlift train` builds them, decided for at the end of the data
    rest       effects on rates by price sensitivity, and by how long a customer was left alone
    left       many have silently left: a dear call wins back who is late and is lost on who is gone
    constant   one cheap offer is good for nearly everybody, the others are not
    visits     what moves a customer shows in visits and openings alone; contacts annoy the others

The last four hide what drives them: purchase rate, departure, sensitivities and habits are drawn, and features are
counts, recencies and shares of a year of noisy history. The oracle sees the hidden; nobody else can reach it. They were
written down before any learner was tried on them.
"""

from __future__ import annotations

import datetime as dt
import pickle
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from uplift_worlds import ARMS, WORLDS

from netlift.closed_loop.policies import in_folder
from netlift.config.business import load
from netlift.config.definitions import UpliftDefinition, load_definition
from netlift.data.history import read_history
from netlift.data.read import open_tables
from netlift.estimators.rows import ContactRows
from netlift.features.build import build_features
from netlift.features.matrix import Feature
from netlift.features.queries import Queries
from netlift.features.vocabulary import learn_vocabulary
from netlift.simulation.simulate import SimulationSettings, simulate
from netlift.simulation.world import OFFERS
from netlift.training.contact_rows import build_contact_rows

FRESH = 60_000
KEPT = Path(__file__).parents[1] / "var" / "bench" / "decisions"
END, IDLE_DAYS = dt.date(2026, 10, 1), 365
WAVES, REACH = 3, 0.5


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """What is learned from and who is decided for.

    Attributes:
        rows: Contact rows of randomized campaigns.
        X: Features of who is decided for, float32, shape (n, k).
        available: Arms that may be given them, bool, shape (n, m + 1).
        profit: Their true expected profit under every arm, shape (n, m + 1).
        expected: The same of the rows, shape (rows, m + 1); None where the market does not tell.
    """

    rows: ContactRows
    X: np.ndarray
    available: np.ndarray
    profit: np.ndarray
    expected: np.ndarray | None = None


def _from_world(name: str, customers: int, seed: int) -> Drawn:
    world = WORLDS[name]
    X, profit = world.fresh(FRESH, seed)
    rows, available = world.campaign(customers, seed), np.ones((len(X), ARMS), dtype=bool)
    expected = world.profit(rows.X.astype(np.float64))
    return Drawn(rows=rows, X=X, available=available, profit=profit, expected=expected)


def _from_shop(preset: str, customers: int, seed: int) -> Drawn:
    """The simulated shop as of the end of its data; simulated once and kept beside the benchmarks' other files."""
    kept = KEPT / f"{preset}-{customers}-{seed}.pickle"
    if not kept.exists():
        folder = KEPT / f"{preset}-{customers}-{seed}"
        shutil.rmtree(folder, ignore_errors=True)
        simulate(SimulationSettings(customers=customers, seed=seed, end=END, preset=preset), target=folder)
        kept.write_bytes(pickle.dumps(_read_shop(folder, seed)))
        shutil.rmtree(folder)
    drawn = pickle.loads(kept.read_bytes())
    assert isinstance(drawn, Drawn)
    return drawn


def _read_shop(folder: Path, seed: int) -> Drawn:
    """Contacts with their features, and customers who bought in the last year with what is open to them."""
    settings = load(Path(__file__).parents[1] / "configs" / "demo.yaml")
    definition = load_definition(settings.models["uplift"], "uplift")
    assert isinstance(definition, UpliftDefinition)
    with open_tables(in_folder(settings, folder)) as tables:
        vocabulary = learn_vocabulary(tables, before=dt.datetime.combine(END, dt.time()))
        rows, _, _ = build_contact_rows(
            tables, definition, vocabulary, rows_per_partition=settings.engine.rows_per_partition,
            history=read_history(tables), seed=seed,
        )  # fmt: skip
        people = tables["customers"].to_pandas()
        ids = people.customer_id.to_numpy(dtype=object)
        features = build_features(
            tables,
            Queries(customer_id=ids, cutoff=np.full(len(ids), np.datetime64(END, "us"))),
            vocabulary,
            observation_days=definition.observation_days,
            names=[feature.name for feature in rows.features],
        )
    truth = pd.read_parquet(folder / "truth" / "customers.parquet").set_index("customer_id").loc[ids]
    channels = {offer.offer_id: offer.channel for offer in OFFERS}
    profit, available = [np.zeros(len(ids))], [np.ones(len(ids), dtype=bool)]
    for name in rows.offers:
        net = truth[f"margin_28d_{name}"] - truth[f"reward_cost_{name}"] - truth[f"contact_cost_{name}"]
        profit.append((net - truth["margin_28d"]).to_numpy())
        available.append(people[f"consent_{channels[name]}"].eq(other=True).to_numpy(dtype=bool))
    here = features.X[:, list(features.names).index("days_since_last_purchase")] <= IDLE_DAYS
    return Drawn(
        rows=rows,
        X=np.asfortranarray(features.X[here]),
        available=np.column_stack(available)[here],
        profit=np.column_stack(profit)[here],
    )


def _features(names: list[str]) -> tuple[Feature, ...]:
    return tuple(Feature(name=name, unit="ratio", source="market", formula="drawn") for name in names)


@dataclass(frozen=True, kw_only=True)
class _People:
    """What is hidden of n customers, and stays; all of shape (n,)."""

    rate: np.ndarray  # purchases a day while they are customers
    basket: np.ndarray
    price: np.ndarray  # sensitivity, 0 to 1
    digital: np.ndarray  # habit of visits and openings, 0 to 1
    age: np.ndarray
    tenure: np.ndarray
    leaving: np.ndarray  # chance a day to leave for good
    noise: np.ndarray  # (n, 6): what says nothing


@dataclass(frozen=True, kw_only=True)
class _Moment:
    """Customers on a day: what is hidden of it, and what a year of history shows."""

    people: _People
    gone_days: np.ndarray  # 0 for who is still a customer
    late: np.ndarray  # recency over the mean gap
    rested: np.ndarray  # days since the last contact
    X: np.ndarray


# Those of the catalogue, so that learners know what they are of; windows are as `_look` draws them.
NAMES = [
    "purchases_30d", "purchases_90d", "purchases_365d", "days_since_last_purchase",
    "days_since_last_purchase_over_gap", "promo_share_365d", "mean_purchase_all", "margin_all", "events_visit_30d",
    "events_visit_365d", "contacts_365d", "openings_365d", "days_since_last_contact", "age_years", "tenure_days",
    *(f"other_{i}" for i in range(6)), "purchase_days_all", "days_since_first_purchase",
    "age_at_last_purchase_days",
]  # fmt: skip


def _draw_people(n: int, rng: np.random.Generator, *, leaving: float) -> _People:
    return _People(
        rate=rng.gamma(1.2, 1 / 55.0, n),
        basket=rng.lognormal(7.0, 0.5, n),
        price=rng.beta(1.6, 2.4, n),
        digital=rng.beta(1.2, 1.8, n),
        age=np.clip(rng.normal(42, 14, n), 16, 85),
        tenure=rng.uniform(60, 1400, n),
        leaving=rng.gamma(1.0, leaving, n),
        noise=rng.normal(size=(n, 6)),
    )


def _look(people: _People, rng: np.random.Generator) -> _Moment:
    n = len(people.rate)
    gone = np.maximum(people.tenure - rng.exponential(1.0 / np.maximum(people.leaving, 1e-9)), 0.0)
    recency = np.minimum(gone + rng.exponential(1.0 / people.rate), people.tenure)
    days = [np.clip(np.minimum(window, people.tenure) - recency, 0, None) for window in (30, 90, 365)]
    month, quarter, year = (
        np.where(recency < w, 1 + rng.poisson(people.rate * d), 0) for w, d in zip((30, 90, 365), days, strict=True)
    )
    quarter, year = np.maximum(quarter, month), np.maximum(year, np.maximum(quarter, month))
    promo = rng.binomial(year, 0.05 + 0.8 * people.price) / np.maximum(year, 1)
    seen = people.basket * np.exp(0.6 * rng.normal(size=n) / np.sqrt(np.maximum(year, 1)))
    here = np.clip(180 - gone, 0, None)
    visits = rng.poisson(people.digital * 0.25 * np.minimum(here, 180))
    recent = rng.binomial(visits, np.clip(30 - gone, 0, None) / np.maximum(here, 1))
    contacts = rng.poisson(2.0, n)
    opened = rng.binomial(contacts, 0.05 + 0.7 * people.digital * (gone < 45))
    rested = np.where(contacts > 0, rng.uniform(1, 90, n), rng.uniform(90, 365, n))
    gap = 1.0 / people.rate
    none = year == 0
    since = np.minimum(people.tenure, 365) - recency  # of the year, before the newest purchase: the others lie in it
    rhythm = rng.spawn(1)[0].random(n) ** (1 / np.maximum(year - 1, 1)) * np.clip(since, 0, None) * (year > 1)
    X = np.column_stack([
        month, quarter, year, recency, np.where(none, np.nan, recency * year / np.minimum(people.tenure, 365)),
        np.where(none, np.nan, promo), np.where(none, np.nan, seen), 0.3 * seen * year, recent, visits, contacts,
        opened, rested, people.age, people.tenure, people.noise,
        year, np.where(none, np.nan, recency + rhythm), np.where(none, np.nan, rhythm),
    ])  # fmt: skip
    return _Moment(
        people=people, gone_days=gone, late=recency / gap, rested=rested, X=np.asfortranarray(X, dtype=np.float32)
    )


@dataclass(frozen=True, kw_only=True)
class Offered:
    """An offer of a hidden market.

    Attributes:
        name: Its name.
        cost: Of a contact.
        reward: Share of every purchase in the window that is paid back.
        pull: Change of the log purchase rate in the window, of a moment, shape (n,).
        annoyed: Chance that somebody who is contacted buys nothing in the window for it, of a moment, shape (n,).
    """

    name: str
    cost: float
    reward: float = 0.0
    pull: Callable[[_Moment], np.ndarray]
    annoyed: Callable[[_Moment], np.ndarray] = lambda m: np.zeros(len(m.late))


DAYS, MARGIN, SEASONS = 28, 0.3, (1.0, 1.35, 0.8, 1.0)
SHARES = ((0.4, 0.3, 0.3), (0.3, 0.4, 0.3), (0.3, 0.3, 0.4))


def _expected(moment: _Moment, offers: tuple[Offered, ...], season: float) -> tuple[np.ndarray, np.ndarray]:
    """Expected purchases, and what of a purchase's basket is kept, under every arm, shape (n, m + 1) and (m + 1,)."""
    quiet = moment.people.rate * DAYS * season * (moment.gone_days == 0)
    moved = [quiet * (1 - o.annoyed(moment)) * np.exp(np.clip(o.pull(moment), -1.3, 1.3)) for o in offers]
    return np.column_stack([quiet, *moved]), np.array([MARGIN, *(MARGIN - o.reward for o in offers)])


def _from_hidden(offers: tuple[Offered, ...], leaving: float, customers: int, seed: int) -> Drawn:
    rng = np.random.default_rng([seed, customers, len(offers), round(leaving * 1e6)])
    people, parts, expected = _draw_people(customers, rng, leaving=leaving), [], []
    costs = np.array([0.0, *(o.cost for o in offers)])
    for wave in range(WAVES):
        asked = np.flatnonzero(rng.random(customers) < REACH)
        moment = _look(_take(people, asked), rng)
        share = np.array(SHARES[wave][: len(offers)] if len(offers) == 2 else np.full(len(offers), 0.7 / len(offers)))
        chances = np.concatenate([[1 - share.sum()], share])
        arm = rng.choice(len(chances), p=chances, size=len(asked))
        number, kept = _expected(moment, offers, SEASONS[wave])
        expected.append(number * moment.people.basket[:, None] * kept - costs)
        bought = rng.poisson(number[np.arange(len(asked)), arm])
        spent = np.where(
            bought > 0,
            bought * moment.people.basket * np.exp(rng.normal(-0.18, 0.6, len(asked)) / np.sqrt(np.maximum(bought, 1))),
            0.0,
        )
        reward = (MARGIN - kept[arm]) * spent
        parts.append((asked, moment.X, arm, chances[arm], MARGIN * spent, reward, np.full(len(asked), wave)))
    asked, X, arm, chance, margin, reward, wave = (np.concatenate(column) for column in zip(*parts, strict=True))
    rows = ContactRows(
        X=np.asfortranarray(X), features=_features(NAMES), y=margin - reward - costs[arm], margin=margin,
        offers=tuple(o.name for o in offers), arm=arm.astype(np.int64), propensity=chance,
        available=np.ones((len(arm), len(costs)), dtype=bool), customer=asked.astype(np.int64),
        campaign=wave.astype(np.int64), reward=reward,
    )  # fmt: skip
    moment = _look(_draw_people(FRESH, rng, leaving=leaving), rng)
    number, kept = _expected(moment, offers, SEASONS[-1])
    basket = moment.people.basket[:, None]
    return Drawn(
        rows=rows, X=moment.X, available=np.ones(number.shape, dtype=bool), profit=number * basket * kept - costs,
        expected=np.concatenate(expected),
    )  # fmt: skip


def _take(people: _People, rows: np.ndarray) -> _People:
    return _People(**{name: getattr(people, name)[rows] for name in vars(people)})


def _tired(m: _Moment) -> np.ndarray:
    return np.exp(-m.rested / 25.0)


REST = (
    Offered(
        name="discount", cost=1.0, reward=0.10, pull=lambda m: 0.1 + 1.5 * (m.people.price - 0.2) - 0.5 * _tired(m)
    ),
    Offered(name="bonus", cost=6.0, reward=0.02, pull=lambda m: 0.15 + 0.3 * np.tanh(m.late - 1.0) - 0.6 * _tired(m)),
)
LEFT = (
    Offered(name="call", cost=45.0, pull=lambda m: 0.15 + 0.8 * np.tanh(np.maximum(m.late - 0.5, 0))),
    Offered(name="letter", cost=12.0, pull=lambda m: 0.2 * (m.people.age > 45) + 0.1),
)
CONSTANT = (
    Offered(name="push", cost=0.5, pull=lambda m: 0.22 + 0.08 * (m.people.digital - 0.4)),
    Offered(name="mail", cost=2.0, pull=lambda m: 0.08 + 0.1 * (m.people.age - 42) / 14 * 0.3),
    Offered(name="sms", cost=25.0, reward=0.05, pull=lambda m: 0.2 + 0.0 * m.late),
)
VISITS = (
    Offered(
        name="push", cost=0.5, pull=lambda m: 1.1 * np.maximum(m.people.digital - 0.25, 0.0),
        annoyed=lambda m: 0.25 * (1 - m.people.digital) ** 2,
    ),
    Offered(
        name="mail", cost=2.0, reward=0.03, pull=lambda m: 0.1 + 0.7 * (m.people.price - 0.4),
        annoyed=lambda m: 0.10 * (m.people.digital < 0.2),
    ),
)  # fmt: skip

Draw = Callable[[int, int], Drawn]  # customers and seed
MARKETS: Mapping[str, Draw] = {
    **{name: partial(_from_world, name) for name in WORLDS},
    "retailer": partial(_from_shop, "retailer"),
    "sports": partial(_from_shop, "sports-nutrition"),
    "rest": partial(_from_hidden, REST, 1 / 2500),
    "left": partial(_from_hidden, LEFT, 1 / 500),
    "constant": partial(_from_hidden, CONSTANT, 1 / 2500),
    "visits": partial(_from_hidden, VISITS, 1 / 1500),
}
