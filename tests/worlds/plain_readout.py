"""What a campaign earned, a second time: raw Parquet rows, plain pandas, and nothing of netlift.

Written from the definitions (methods of A/B tests, sec. 2; decision 13), every sum spelled out over rows, so that a
reader can check it by hand. Slow and for one campaign in memory; no clusters, looks or segments.

Customers of an arm stand as they are. Where chances differ, control is their picture: with weights w = e_a / e_0 of
mean 1 the row u = m + w (y - m), m = mean of w y, has the weighted mean and, as plain rows do, its spread.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import norm

OUTCOMES = ["revenue", "margin", "reward", "contact_cost"]
FIGURES = [*OUTCOMES, "margin_after"]
PAST = ["pre_revenue", "pre_margin", "pre_purchases", "tenure_days", "no_history"]
PRE_DAYS = 365
CONTROL = "control"
LINES = {
    "revenue": np.array([1.0, 0, 0, 0, 0]),
    "margin": np.array([0, 1.0, 0, 0, 0]),
    "reward": np.array([0, 0, 1.0, 0, 0]),
    "contact_cost": np.array([0, 0, 0, 1.0, 0]),
    "profit": np.array([0, 1.0, -1.0, -1.0, 0]),
}
PROFIT, MARGIN, COST = LINES["profit"], LINES["margin"], LINES["reward"] + LINES["contact_cost"]
AFTER = np.array([0, 0, 0, 0, 1.0])
AFTER_DAYS = 28
Z = float(norm.ppf(0.975))


# Rows


def read_assigned(folder: Path, campaign_id: str) -> pd.DataFrame:
    """One row per assigned customer: arm, chances, outcomes of the window, the past before it; nothing bought is 0."""
    contacts, receipts, customers, campaigns = (
        pd.read_parquet(folder / f"{name}.parquet") for name in ("contacts", "transactions", "customers", "campaigns")
    )
    rows = contacts[contacts.campaign_id == campaign_id].set_index("customer_id")
    assert rows.index.is_unique and rows[["contact_cost", "reward_cost", "propensity"]].notna().all(axis=None)
    window = pd.Timedelta(days=campaigns.set_index("campaign_id").outcome_days[campaign_id])
    receipts = receipts.merge(rows.assigned_at, left_on="customer_id", right_index=True)
    since, never = receipts.occurred_at - receipts.assigned_at, pd.Timedelta(0)
    receipts = receipts.assign(purchases=~receipts.is_return, receipts=1)
    behind = receipts[(since >= window) & (since < window + pd.Timedelta(days=AFTER_DAYS))].groupby("customer_id")
    within = receipts[(since >= never) & (since < window)].groupby("customer_id")
    before = receipts[(since < never) & (since >= -pd.Timedelta(days=PRE_DAYS))].groupby("customer_id")
    rows = rows.rename(columns={"offer_id": "arm", "reward_cost": "reward"})
    for name in ("revenue", "margin", "purchases"):
        rows[name] = within[name].sum().reindex(rows.index).fillna(0.0)
        past = before[name].sum().reindex(rows.index).fillna(0.0)
        rows[f"pre_{name}"] = np.log1p(past.clip(lower=0) / 0.01)
    rows["margin_after"] = behind.margin.sum().reindex(rows.index).fillna(0.0)
    rows["no_history"] = (before.receipts.sum().reindex(rows.index).fillna(0) == 0).astype(float)
    joined = customers.set_index("customer_id").joined_at.reindex(rows.index)
    rows["tenure_days"] = (rows.assigned_at - joined).dt.total_seconds() / 86_400
    rows["spend"] = rows.revenue  # what was truly spent: no weighting moves it
    return rows


def chances_of(rows: pd.DataFrame) -> pd.DataFrame:
    """Chance of each arm, of each customer: as logged, or, of a single arm, what control leaves."""
    if rows.arm_propensities.notna().all():
        return pd.DataFrame([json.loads(text) for text in rows.arm_propensities], index=rows.index)
    (arm,) = set(rows.arm) - {CONTROL}
    of_control = rows.propensity.where(rows.arm == CONTROL, 1 - rows.propensity)
    return pd.DataFrame({CONTROL: of_control, arm: 1 - of_control})


def picture(rows: pd.DataFrame, weight: pd.Series) -> pd.DataFrame:
    """The rows as a picture of others."""
    w, y = weight / weight.mean(), rows[FIGURES + PAST]
    mean = y.mul(w, axis=0).sum() / w.sum()
    return rows.assign(**(mean + (y - mean).mul(w, axis=0)))


# Differences


@dataclass(frozen=True)
class Difference:
    """An arm less control, per customer of the arm.

    Attributes:
        n: Customers of the arm.
        point: Of each outcome.
        cov: Of these.
        control_rows: What is left of each control customer, so that control's part of `cov` is their products' sum.
        shape: Skewness of profit, the smallest and the largest of the estimates, and which ones there were.
        past: What was adjusted for.
    """

    n: int
    point: np.ndarray
    cov: np.ndarray
    control_rows: np.ndarray
    shape: tuple[float, float, str]
    past: tuple[str, ...] = ()

    @property
    def own_cov(self) -> np.ndarray:
        """The part that control has no share in."""
        return self.cov - self.control_rows.T @ self.control_rows


def useful(*groups: pd.DataFrame) -> list[str]:
    """Of the past what varies in each group, and not by the grace of one customer: he makes half its squares at most.

    (Of the demo's columns none is told by the others, and there are more than 20 customers a column.)
    """

    def varies(x: pd.Series) -> bool:
        squares = (x - x.mean()) ** 2
        return bool(x.max() > x.min()) and bool(squares.max() <= squares.sum() / 2)

    return [name for name in PAST if all(varies(rows[name]) for rows in groups)]


def difference(treated: pd.DataFrame, control: pd.DataFrame, centre: pd.DataFrame | None = None) -> Difference:
    """Means of the outcomes, treated less control; at the centre's past, by a least-squares line of each group.

    V = what the lines leave of each group, over n (n - 1 - k), and (β_T - β_0)' V(mean past of the centre) (β_T - β_0).
    """
    past = [] if centre is None else useful(treated, control)
    at = (treated if centre is None else centre)[past].to_numpy()
    means, slopes, parts = [], [], []
    for rows in (treated, control):
        x, y = rows[past].to_numpy(), rows[FIGURES].to_numpy()
        slope = np.linalg.lstsq(x - x.mean(axis=0), y - y.mean(axis=0), rcond=None)[0]
        without_past = y - (x - at.mean(axis=0)) @ slope
        means.append(without_past.mean(axis=0))
        slopes.append(slope)
        residual = without_past - means[-1]
        parts.append(residual / np.sqrt(len(rows) * (len(rows) - 1 - len(past))))
    apart = slopes[0] - slopes[1]
    of_centre = (at - at.mean(axis=0)).T @ (at - at.mean(axis=0)) / (len(at) * (len(at) - 1))
    cov = parts[0].T @ parts[0] + parts[1].T @ parts[1] + apart.T @ of_centre @ apart
    return Difference(len(treated), means[0] - means[1], cov, parts[1], shape_of(treated, control), tuple(past))


def add_up(arms: list[Difference], treated: pd.DataFrame, control: pd.DataFrame, rows: np.ndarray) -> Difference:
    """All arms, each by its share of the treated, over one control of which `rows` are left.

    V = sum (n_a / N)² (V_a - V_0a) + V_0.
    """
    shares = np.array([arm.n for arm in arms]) / len(treated)
    point = sum(share * arm.point for share, arm in zip(shares, arms, strict=True))
    own = sum(share**2 * arm.own_cov for share, arm in zip(shares, arms, strict=True))
    return Difference(len(treated), point, own + rows.T @ rows, rows, shape_of(treated, control))


# Skewness


def shape_of(treated: pd.DataFrame, control: pd.DataFrame) -> tuple[float, float, str]:
    """Skewness of the profit difference, smallest and largest of the estimates that a test can have, and which test.

    Each arm's own, and: `few` buyers that of arms of one shape and of buyers of one kind; `alike` that of one shape;
    `doubt` with tails of three cumulants beside it; `unlike` these, log-normal tails, and one shape unless it leans to
    a much smaller control. None counts beyond 1.5, fitted ones not beyond .37.
    """
    groups = [treated, control]
    n = np.array([len(treated), len(control)])
    profit = [(rows.margin - rows.reward - rows.contact_cost).to_numpy() for rows in groups]
    second = np.array([np.mean((p - p.mean()) ** 2) for p in profit])
    third = np.array([np.mean((p - p.mean()) ** 3) for p in profit])
    error = np.sqrt(np.sum(second / (n - 1)))
    found = [(third[0] / n[0] ** 2 - third[1] / n[1] ** 2) / error**3]
    s2, m3 = n @ second / n.sum(), n @ third / n.sum()
    shared = m3 * (1 / n[0] ** 2 - 1 / n[1] ** 2) / (s2 * np.sum(1 / n)) ** 1.5
    logs = [np.log(rows.spend[rows.spend > 0].to_numpy()) for rows in groups]
    buyers = np.array([len(x) for x in logs])
    if buyers.min() < 20:
        s2, m3 = n @ second / buyers.sum(), n @ third / buyers.sum()
        baskets = m3 * (buyers[0] / n[0] ** 3 - buyers[1] / n[1] ** 3) / (s2 * np.sum(buyers / n**2)) ** 1.5
        name, others = "few", [shared, np.clip(baskets, -0.37, 0.37)]
    else:
        like = 1 / 1.3 < (buyers[0] / n[0]) / (buyers[1] / n[1]) < 1.3
        steep = [np.clip(tail(groups, logs, profit, is_steep=True), -0.37, 0.37)] if like else []
        chances = 2 * norm.sf(apart_in_logs(logs))
        name = "unlike" if chances[0] < 0.05 else "doubt" if chances.min() < 0.2 else "alike"
        others = [shared] + (steep if name == "doubt" else [])
        if name == "unlike":
            is_kept = n[0] <= 3 * n[1] or shared > -0.1
            kept = [shared if abs(shared) > 0.1 else 0.0] if is_kept else []
            others = [tail(groups, logs, profit), *steep, *kept]
    found = np.clip([*found, *others], -1.5, 1.5)
    return float(found.min()), float(found.max()), name


def apart_in_logs(logs: list[np.ndarray]) -> np.ndarray:
    """By how many standard errors log spends differ: in variance (Layard), or in what makes E X³ of it and skewness."""
    few = sum(1 / len(x) for x in logs)
    everyone = sum(len(x) for x in logs)
    variance = np.array([np.var(x, ddof=1) for x in logs])
    common = sum(len(x) * np.var(x, ddof=1) for x in logs) / everyone
    fourth = sum(np.sum((x - x.mean()) ** 4) for x in logs) / everyone
    tails = max(fourth / common**2 - 1, 0.5)
    skewed = np.array([np.mean((x - x.mean()) ** 3) for x in logs])
    gap = 4.5 * (variance[0] - variance[1]) + 4.5 * (skewed[0] - skewed[1])
    error = np.sqrt((4.5**2 * tails * common**2 + 4.5**2 * 6 * common**3) * few)
    return np.abs([np.log(variance[0] / variance[1]) / np.sqrt(tails * few), gap / error])


def tail(
    groups: list[pd.DataFrame], logs: list[np.ndarray], profit: list[np.ndarray], *, is_steep: bool = False
) -> float:
    """Skewness if logarithms of baskets had two cumulants, or three, and no more, and profit were a line of revenue."""
    variance, cumulant = [], []
    for rows, x, p in zip(groups, logs, profit, strict=True):
        n, share, spread = len(rows), len(x) / len(rows), min(np.var(x, ddof=1), 8.0)
        skewed = np.clip(np.mean((x - x.mean()) ** 3), -spread / 2, 2 * spread**1.5) if is_steep else 0.0
        one, two, three = (share * np.exp(k * x.mean() + k**2 * spread / 2 + k**3 * skewed / 6) for k in (1, 2, 3))
        slope = np.cov(p, rows.revenue)[0, 1] / np.var(rows.revenue, ddof=1)
        variance.append(slope**2 * (two - one**2) / n)
        cumulant.append(slope**3 * (three - 3 * one * two + 2 * one**3) / n**2)
    return float((cumulant[0] - cumulant[1]) / sum(variance) ** 1.5)


def hall(x: float, gamma: float) -> float:
    """Studentized value at a normal score; skewness up to .1 is left alone."""
    if abs(gamma) <= 0.1:
        return x
    return float(3 / gamma * (np.cbrt(1 + gamma * (x - gamma / 6)) - 1))


# What is said


def per_customer(found: Difference, line: np.ndarray, fixed: float = 0.0, z: float = Z) -> np.ndarray:
    """Point, lower and upper end of a line per customer, a fixed cost taken off.

    Skewness of a line is that of profit as far as both move together: times the cube of their correlation.
    """
    point, error = line @ found.point - fixed / found.n, np.sqrt(max(line @ found.cov @ line, 0.0))
    of_profit = np.sqrt(PROFIT @ found.cov @ PROFIT)
    along = (line @ found.cov @ PROFIT / (error * of_profit)) ** 3 if error else 0.0
    lower, upper = sorted(gamma * along for gamma in found.shape[:2])
    return np.array([point, point - error * hall(z, lower), point - error * hall(-z, upper)])


def score_of(found: Difference, fixed: float) -> float:
    """Normal score of profit above zero: the studentized profit, straightened by the skewness that speaks against it.

    The inverse of Hall's h is sought by halving, not written down.
    """
    t = (PROFIT @ found.point - fixed / found.n) / np.sqrt(PROFIT @ found.cov @ PROFIT)
    gamma = found.shape[0] if t > 0 else found.shape[1]
    low, high = -40.0, 40.0
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if hall(middle, gamma) < t else (low, middle)
    return low


def roi(found: Difference, fixed: float, z: float = Z) -> np.ndarray:
    """Profit over cost, and the returns at which the interval of what margin leaves over cost ends at zero, by halving.

    At a return of r that is A - (1 + r) B, its skewness that of profit as far as both move together.
    """
    a, b = MARGIN @ found.point, COST @ found.point + fixed / found.n
    assert per_customer(found, COST, -fixed, z)[1] > 0

    def ends(r: float) -> np.ndarray:
        return per_customer(found, MARGIN - (1 + r) * COST, (1 + r) * fixed, z)[1:]

    sides = []
    for side in (0, 1):
        near, far = a / b - 1, a / b - 1 + (2 * side - 1) * 1e4
        for _ in range(200):
            middle = (near + far) / 2
            near, far = (middle, far) if ends(middle)[0] <= 0 <= ends(middle)[1] else (near, middle)
        sides.append(near)
    return np.array([a / b - 1, *sides])


def draw_differences(arms: list[Difference], fixed: list[float], draws: int = 400_000, seed: int = 1) -> np.ndarray:
    """Profits per customer of all arms, drawn about what was seen, shape (draws, arms)."""
    rows = np.column_stack([arm.control_rows @ PROFIT for arm in arms])
    cov = rows.T @ rows + np.diag([PROFIT @ arm.own_cov @ PROFIT for arm in arms])
    point = [PROFIT @ arm.point - cost / arm.n for arm, cost in zip(arms, fixed, strict=True)]
    return np.random.default_rng(seed).multivariate_normal(point, cov, draws)


@dataclass(frozen=True)
class PlainReadout:
    """A campaign recomputed.

    Attributes:
        groups: Arms as they are, and control as the picture of all of them.
        fixed: Fixed cost of each arm, by its customers.
        raw: Difference of each arm.
        adjusted: The same at the centre's past.
        average: The same for the campaign's average customer.
        left: The same for the customers of control.
        whole_raw: All arms, as one group.
        whole: Sum of the adjusted arms, what control adds to its variance being that of one line through the picture
            that all arms have of it.
        whole_by_arms: The same with what control truly adds: the sum of what each arm's line leaves of a customer.
        unequal: Whether customers had different chances of an arm.
    """

    groups: dict[str, pd.DataFrame]
    fixed: dict[str, float]
    raw: dict[str, Difference]
    adjusted: dict[str, Difference]
    average: dict[str, Difference]
    left: dict[str, Difference]
    whole_raw: Difference
    whole: Difference
    whole_by_arms: Difference
    unequal: bool


def read_plainly(folder: Path, campaign_id: str) -> PlainReadout:
    """A campaign from the tables of a folder."""
    rows = read_assigned(folder, campaign_id)
    arms = sorted(set(rows.arm) - {CONTROL})
    own = {arm: rows[rows.arm == arm] for arm in (*arms, CONTROL)}
    treated = rows[rows.arm != CONTROL]
    unequal = bool((rows.groupby("arm").propensity.nunique() > 1).any())
    controls, average, left = dict.fromkeys(arms, own[CONTROL]), own, own
    everybody, at_control = own, dict.fromkeys(arms, own[CONTROL])
    if unequal:
        chance = chances_of(rows)
        in_control = chance.loc[own[CONTROL].index]
        controls = {arm: picture(own[CONTROL], in_control[arm] / in_control[CONTROL]) for arm in arms}
        average = {arm: picture(group, 1 / group.propensity) for arm, group in own.items()}
        left = {arm: picture(own[arm], chance.loc[own[arm].index, CONTROL] / own[arm].propensity) for arm in arms}
        left[CONTROL] = own[CONTROL]
        everybody = dict.fromkeys(arms, pd.concat(average.values()))
    else:
        at_control = own
    shares = {arm: len(own[arm]) / len(treated) for arm in arms}
    mixed = sum(share * controls[arm][FIGURES + PAST] for arm, share in shares.items())
    control = own[CONTROL].assign(**mixed)
    fixed_cost = pd.read_parquet(folder / "campaigns.parquet").set_index("campaign_id").fixed_cost[campaign_id]
    raw = {arm: difference(own[arm], controls[arm]) for arm in arms}
    adjusted = {arm: difference(own[arm], controls[arm], own[arm]) for arm in arms}
    found, together = list(adjusted.values()), difference(treated, control, own[arms[0]])
    if unequal and len(arms) > 1:
        together = difference(treated, control, treated)
    by_arms = sum(share * adjusted[arm].control_rows for arm, share in shares.items())
    return PlainReadout(
        groups={**own, CONTROL: control},
        fixed={arm: float(fixed_cost) * share for arm, share in shares.items()},
        raw=raw,
        adjusted=adjusted,
        average={arm: difference(average[arm], average[CONTROL], everybody[arm]) for arm in arms},
        left={arm: difference(left[arm], left[CONTROL], at_control[arm]) for arm in arms},
        whole_raw=difference(treated, control),
        whole=add_up(found, treated, control, together.control_rows),
        whole_by_arms=add_up(found, treated, control, by_arms),
        unequal=unequal,
    )
