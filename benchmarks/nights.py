"""Nights in a row, in a shop whose truth is known: what `netlift decide` earns run every night, beside one run a month.

The simulated retailer lives its history, uplift is trained on it once, and then every rule has the same people and the
same luck for so many nights a day apart:

    nights     the verb every night: its lists go out in the morning and come back as rows of contacts some nights later
    month      the verb on the first night alone, with the money and the calls of all nights
    forgetful  the verb every night, every effect taken as new: what it did before open windows counted
    oracle     who knows the truth may contact any night, whatever is open: the best offer over a year, where it pays

    profit     margin less rewards and contacts, above a world without contacts, up to the end of the last window
    truth      exact expectation of what a night's contacts add in the outcome window, at the moment they are sent
    forecast   what the run's own page said of it, with its interval

    python benchmarks/nights.py --customers 5000 --nights 10 --budget 3
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from netlift.closed_loop.policies import OFFER_IDS, contact_by_truth, in_folder, true_worth
from netlift.config.business import BusinessSettings, load
from netlift.decisions.eligibility.open_windows import Rest
from netlift.decisions.run.decide import DecideRequest
from netlift.pipelines.decide import DecideRun, decide_business
from netlift.pipelines.train import train_business
from netlift.progress import Silent
from netlift.simulation.campaigns import OUTCOME_DAYS
from netlift.simulation.rounds import NOBODY, Archive, World, begin_world

CONFIG = Path(__file__).parents[1] / "configs" / "demo.yaml"
START, HISTORY_DAYS = dt.date(2026, 10, 1), 1095
NIGHTS, MONTH, FORGETFUL, ORACLE = "nights", "month", "forgetful", "oracle"
LATE_NIGHTS = 2  # after which contacts come back as rows
CALLS_A_DAY = 300 / 20_000  # of all customers, as the demo's config has it


@dataclass(frozen=True, kw_only=True)
class Night:
    """One night of a rule.

    Attributes:
        night: Which, from 0.
        contacted: Customers.
        again: Of them, who had a contact within the outcome window.
        forecast: What the run says that its contacts earn, with the interval; None for the oracle.
        truth: What they add in true expectation.
    """

    night: int
    contacted: int
    again: int
    forecast: tuple[float, float, float] | None
    truth: float

    @property
    def is_covered(self) -> bool:
        """Whether the interval holds the truth."""
        return self.forecast is not None and self.forecast[1] <= self.truth <= self.forecast[2]


@dataclass(kw_only=True)
class Lived:
    """A rule's nights and what they brought.

    Attributes:
        rule: Its name.
        nights: Each night.
        profit: Above the world without contacts, with half of its 95 % interval.
        contacts: Per customer.
    """

    rule: str
    nights: list[Night] = field(default_factory=list)
    profit: tuple[float, float] = (0.0, 0.0)
    contacts: float = 0.0


def run(*, customers: int, nights: int, seed: int, budget: float | None, rules: list[str]) -> list[Lived]:
    """All rules in one shop.

    Args:
        customers: Of the shop.
        nights: A day apart.
        seed: Of shop and training.
        budget: Currency per customer for all nights together; None for no limit, of calls neither.
        rules: Which.
    """
    with tempfile.TemporaryDirectory(prefix="nights-") as folder:
        start = begin_world(
            customers=customers, seed=seed, start=START, history_days=HISTORY_DAYS, rounds=nights, preset="retailer",
            every_days=1,
        )  # fmt: skip
        books, base = Archive(seed=seed), Path(folder) / "base"
        books.close(start)
        settings = _settings(base, books)
        train_business(settings, tasks=["uplift"], progress=Silent(), now=_now(), lock_timeout=0)
        quiet = _live_out(start.fork())
        found = []
        for rule in rules:
            lived, world = _live(rule, start.fork(), books.copy(), base, nights=nights, budget=budget)
            shutil.rmtree(base / "state" / "out", ignore_errors=True)  # the next rule has lists of its own
            gain = _profit(_live_out(world), start) - _profit(quiet, start)
            lived.profit = float(gain.sum()), float(1.96 * gain.std() * np.sqrt(len(gain)))
            lived.contacts = float((world.sent != NOBODY).sum() / len(gain))
            found.append(lived)
            print(_told(lived), flush=True)
    return found


def _live(
    rule: str, world: World, books: Archive, folder: Path, *, nights: int, budget: float | None
) -> tuple[Lived, World]:
    """The nights of a rule."""
    lived, late = Lived(rule=rule), {}
    for night in range(nights):
        if rule == MONTH and night:
            break
        worth = true_worth(world, horizon_days=OUTCOME_DAYS)
        if rule == ORACLE:
            offer, forecast = contact_by_truth(world), None
        else:
            if night:
                books.close(world)
            _log(books, late.pop(night - LATE_NIGHTS, None))
            settings = _settings(folder, books, budget=budget, nights=1 if rule == MONTH else nights, whole=nights)
            made = _decide(settings, world, forgetful=rule == FORGETFUL)
            late[night] = made
            offer, profit = _offers_of(made, world), made.summary.forecast.profit
            forecast = (profit.point, profit.ci_lower, profit.ci_upper)
        given = np.flatnonzero(offer != NOBODY)
        lived.nights.append(
            Night(
                night=night,
                contacted=len(given),
                again=int((world.days_since_contact()[given] < OUTCOME_DAYS).sum()),
                forecast=forecast,
                truth=float(worth[given, offer[given]].sum()),
            )
        )
        world.answer(offer)
    return lived, world


def _settings(
    folder: Path, books: Archive, *, budget: float | None = None, nights: int = 1, whole: int = 1
) -> BusinessSettings:
    """The demo's rules on a shop's books, without strategies and triggers; limits as large as the shop."""
    tables = folder / "tables"
    tables.mkdir(parents=True, exist_ok=True)
    books.write(tables)
    settings = in_folder(load(CONFIG), tables)
    rules = settings.decision
    if rules is None:
        raise SystemExit(f"{CONFIG}: no decision block")
    customers = len(books.tables()["customers"])
    channels = {name: channel.model_copy(update={"at_most": None}) for name, channel in rules.channels.items()}
    if budget is not None:
        calls = round(CALLS_A_DAY * customers * whole / nights)
        channels["call"] = channels["call"].model_copy(update={"at_most": calls})
    money = None if budget is None else budget * customers
    changes = {
        "strategies": (), "triggers": (), "journeys": (), "channels": channels, "monthly_budget": money,
        "budget": None if money is None else money / nights,
    }  # fmt: skip
    return settings.model_copy(update={"state": folder / "state", "decision": rules.model_copy(update=changes)})


def _decide(settings: BusinessSettings, world: World, *, forgetful: bool) -> DecideRun:
    with _forgotten() if forgetful else patch.dict({}):
        request = DecideRequest(as_of=world.date, language="en")
        return decide_business(settings, request, progress=Silent(), now=_now(), lock_timeout=0)


@contextmanager
def _forgotten() -> Iterator[None]:
    """Every effect taken as new, and contacted as often as the limits allow."""
    name = "netlift.decisions.run.customers.rests_of"
    with patch(name, lambda options, *_: (Rest(days=0, share=1.0),) * len(options)):
        yield


def _offers_of(made: DecideRun, world: World) -> np.ndarray:
    """Offer of each person of the world by a run's log."""
    log = pd.read_parquet(Path(made.path) / "decisions.parquet", columns=["customer_id", "offer_id"])
    offer = np.full(len(world.ids), NOBODY)
    place = pd.Index(world.ids.to_pandas()).get_indexer(pd.Index(log["customer_id"]))
    offer[place] = [OFFER_IDS.index(one) if one in OFFER_IDS else NOBODY for one in log["offer_id"]]
    return offer


def _log(books: Archive, made: DecideRun | None) -> None:
    """A run's contacts come back as rows."""
    if made is not None:
        for name in ("contacts", "campaigns"):
            books.add(name, pq.read_table(Path(made.path) / f"{name}.parquet"))


def _live_out(world: World) -> World:
    """Live until the windows of the last night are over."""
    world.live_until(world.starts[-1] + OUTCOME_DAYS)
    return world


def _profit(world: World, start: World) -> np.ndarray:
    """Margin less rewards and contacts of each person since the first night, shape (n,)."""
    rounds = range(len(world.sent))
    costs = sum(world.reward_of(k) + world.cost_of(k) for k in rounds)
    return np.asarray(world.lives.margin_between(start.today, world.today) - costs)


def _told(lived: Lived) -> str:
    profit, half = lived.profit
    lines = [f"{lived.rule}: profit {profit:,.0f} ± {half:,.0f}, {lived.contacts:.2f} contacts a customer"]
    for one in lived.nights:
        forecast = "-" if one.forecast is None else "{:,.0f} ({:,.0f} to {:,.0f})".format(*one.forecast)
        lines.append(
            f"  night {one.night + 1:2d}: {one.contacted:6,} contacted, {one.again:5,} of them again; "
            f"forecast {forecast}, truth {one.truth:,.0f}{'' if one.forecast is None or one.is_covered else ' MISSED'}"
        )
    return "\n".join(lines)


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC) + dt.timedelta(seconds=1)


def main() -> None:
    """Run the study and print it; with --json also write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=2_000)
    parser.add_argument("--nights", type=int, default=10)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--budget", type=float, help="currency per customer for all nights; without it no limit")
    parser.add_argument("--rules", nargs="+", default=[NIGHTS, MONTH, FORGETFUL, ORACLE])
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    found = {}
    for seed in asked.seeds:
        limit = "no limit" if asked.budget is None else f"{asked.budget:g} a customer"
        print(f"seed {seed}, {asked.customers:,} customers, {asked.nights} nights, {limit}", flush=True)
        lived = run(
            customers=asked.customers, nights=asked.nights, seed=seed, budget=asked.budget, rules=asked.rules
        )  # fmt: skip
        found[seed] = [asdict(one) for one in lived]
    runs = [night for one in found.values() for rule in one if rule["rule"] == NIGHTS for night in rule["nights"]]
    nights = [Night(**night) for night in runs]
    print(f"nights whose interval holds the truth: {sum(one.is_covered for one in nights)} of {len(nights)}")
    if asked.json:
        asked.json.parent.mkdir(parents=True, exist_ok=True)
        asked.json.write_text(json.dumps({"asked": {**vars(asked), "json": None}, "seeds": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
