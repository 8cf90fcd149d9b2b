"""Exploration: a share of customers with a randomly drawn option and exact propensities.

A share ε of all customers explores: each draws one of its explorable options or none, all A_i + 1 of them as likely as
one another. Who explores and what is drawn depends on the customer's hashed word alone, so it is known before the
allocation, which gets what exploration leaves of every limit and allocates the others. With π_i what the policy gives

    p_i(a) = ε k_a / (A_i + 1) + (1 - ε) [a = π_i],        p_i(none) = 1 - Σ_a p_i(a)

where k_a is 1, or less where an even draw would take more of a limit than exploration may: then an option over it that
was drawn is kept with chance k_a and is none otherwise. Should a draw still not fit, all is drawn again from the
words mixed anew; the margin of `SPREADS` standard deviations makes that too rare to move any chance visibly.

New offers have chances of their own, η_a of each and η_0 of none (`new_offers`): a customer with any of them open is
tried with chance η, their sum, the even draw leaves them out, and the policy has 1 - ε - η in place of 1 - ε. What is
drawn and not open to the customer is none.

The policy of those who explore is what the prices of the allocation would have given them (`choose_by_prices`).
The universal holdout takes no part: nothing was drawn, and its chances are not a number.

References:
    Li, Chu, Langford, Wang (2011), Unbiased Offline Evaluation of Contextual-bandit-based News Article Recommendation
        Algorithms, WSDM: replay of logged draws.
    Steele, Lea, Flood (2014), Fast splittable pseudorandom number generators, OOPSLA: the mixing of words.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from netlift.abtest.assignment.draw import mix
from netlift.decisions.allocation.problem import BUDGET, Problem
from netlift.decisions.new_offers.trials import Rates, Trials, find_rates, fitting
from netlift.errors import DataError, ResourceError

NONE = -1
MOST_DRAWS = 20
NEXT = np.uint64(0x9E3779B97F4A7C15)  # one step of splitmix64: words that have nothing to do with those given
_HALF, _LOW = np.uint64(32), np.uint64(0xFFFFFFFF)
_32_BITS = 2.0**-32


@dataclass(frozen=True, kw_only=True, eq=False)
class Exploration:
    """What chance drew, before anybody else is served.

    Attributes:
        explores: Whether the customer's option was drawn, bool, shape (n,).
        option: What those drew, -1 for none and for everybody else, int16, shape (n,).
        epsilon: Chance to explore.
        kept: Chance k_a that a drawn option is kept, shape (m,).
        used: Limit, or "budget", to what the draw takes of it; for `limits.after_use`.
        draws: How often all was drawn until it fitted.
        rates: Chances of new offers; None where none are tried.
        tried: Whether the customer's option was drawn by these, bool, shape (n,); None for nobody.
    """

    explores: np.ndarray
    option: np.ndarray
    epsilon: float
    kept: np.ndarray
    used: Mapping[str, float]
    draws: int
    rates: Rates | None = None
    tried: np.ndarray | None = None

    @property
    def least_chances(self) -> np.ndarray:
        """Least chance of each option wherever it may be drawn, shape (m,); below the floor it teaches no model."""
        return self.epsilon * self.kept / (len(self.kept) + 1)


@dataclass(frozen=True, kw_only=True, eq=False)
class Draw:
    """What each customer gets, and by which chances.

    Attributes:
        option: Option, -1 for none, int16, shape (n,).
        explored: Whether it was drawn, evenly or by the chances of new offers, bool, shape (n,).
        tried: Whether it was drawn by the chances of new offers, bool, shape (n,).
        held_out: Whether the customer took no part, bool, shape (n,).
        propensity: Chance of what was drawn, NaN for the holdout and for steps of journeys, shape (n,).
        chances: Chance of every option, none last, NaN likewise, shape (n, m + 1).
    """

    option: np.ndarray
    explored: np.ndarray
    tried: np.ndarray
    held_out: np.ndarray
    propensity: np.ndarray
    chances: np.ndarray

    @property
    def arms(self) -> np.ndarray:
        """Policy, explore, new_offer, holdout or journey, shape (n,)."""
        arms = np.where(self.tried, "new_offer", np.where(self.explored, "explore", "policy"))
        return np.where(self.held_out, "holdout", np.where(self.in_journey, "journey", arms))

    @property
    def in_journey(self) -> np.ndarray:
        """Who gets the step of a journey, whose arm was drawn when it began, bool, shape (n,)."""
        return np.asarray((self.option >= 0) & np.isnan(self.propensity))

    def with_steps(self, option: np.ndarray) -> Draw:
        """The same, and what journeys give those who had nothing open besides.

        Args:
            option: Option of each customer, -1 for none, shape (n,).
        """
        given = option >= 0
        return replace(
            self,
            option=np.where(given, option, self.option).astype(np.int16),
            propensity=np.where(given, np.nan, self.propensity),
            chances=np.where(given[:, None], np.nan, self.chances),
        )


def draw_exploration(
    words: np.ndarray,
    explorable: np.ndarray,
    problem: Problem,
    *,
    epsilon: float,
    most_of_limits: float,
    trials: Trials | None = None,
) -> Exploration:
    """Draw who explores, and what, within every limit.

    Args:
        words: 64 bits of each customer that depend on the salt, the run's key and the customer, uint64, shape (n,).
        explorable: Where an option may be drawn, bool, shape (n, m).
        problem: Costs, budget and limits of the allocation.
        epsilon: Chance to explore.
        most_of_limits: Share of every limit and of the budget that the draw takes at most, in expectation.
        trials: New offers to try; None for none.

    Raises:
        DataError: Arrays that do not fit each other.
        ResourceError: No draw fitted the limits, which chance cannot explain.
    """
    if words.dtype != np.uint64 or words.shape != (len(explorable),) or explorable.shape[1] != problem.m:
        raise DataError(
            f"exploration: {words.dtype} words of shape {words.shape} for options of shape {explorable.shape} in a "
            f"problem of {problem.m}; one uint64 a customer, one column an option"
        )
    rates = None if trials is None else find_rates(trials, explorable, problem.cost, epsilon=epsilon)
    even, has_new = _part(explorable, rates)
    arms = even.sum(axis=1, dtype=np.int16) + 1
    kept = _keep_within(explorable, arms, problem, epsilon, most_of_limits, rates)
    for attempt in range(MOST_DRAWS):
        explores, option = _draw(words, even, arms, epsilon, kept, has_new)
        tried = _try(words, explorable, has_new, epsilon, kept, rates, option)
        used = _use(problem, option)
        fits = all(used[name] <= most for name, most in zip(problem.names, problem.most, strict=True))
        if fits and (rates is None or _spend(problem, option, np.flatnonzero(tried & (option >= 0))) <= rates.budget):
            return Exploration(
                explores=explores | tried, option=option, epsilon=epsilon, kept=kept, used=used, draws=attempt + 1,
                rates=rates, tried=tried,
            )  # fmt: skip
        words = mix(words + NEXT)
    raise ResourceError(
        f"exploration: {MOST_DRAWS} draws did not fit the limits, which chance cannot explain: are the words hashes?"
    )


def draw_decisions(
    choice: np.ndarray, explorable: np.ndarray, exploration: Exploration, *, held_out: np.ndarray
) -> Draw:
    """What each customer gets, with the chances of all it might have got.

    Args:
        choice: What the policy gives, -1 for none; for those who explore, what it would have given, shape (n,).
        explorable: Where an option may be drawn, bool, shape (n, m).
        exploration: What chance drew.
        held_out: Whom the universal holdout has, bool, shape (n,).

    Raises:
        DataError: A policy that gives what is not open, or something to the holdout.
    """
    n = len(choice)
    given = choice >= 0
    astray = int((~explorable[given, choice[given]]).sum()) + int((held_out & explorable.any(axis=1)).sum())
    if astray:
        raise DataError(
            f"decisions: {astray:,} of {n:,} customers are given what is not open to them, or are held out with "
            "something open; ask eligibility first"
        )
    chances = find_chances(choice, explorable, exploration)
    chances[held_out] = np.nan
    option = np.where(exploration.explores, exploration.option, choice).astype(np.int16)
    return Draw(
        option=option,
        explored=exploration.explores,
        tried=np.zeros(n, dtype=bool) if exploration.tried is None else exploration.tried,
        held_out=held_out,
        propensity=chances[np.arange(n), option],  # -1, none, is the last column
        chances=chances,
    )


def find_chances(choice: np.ndarray, explorable: np.ndarray, exploration: Exploration) -> np.ndarray:
    """Chance of every option, none last, float64, shape (n, m + 1); each row adds up to 1.

    Args:
        choice: What the policy gives, -1 for none, shape (n,).
        explorable: Where an option may be drawn, bool, shape (n, m).
        exploration: What chance drew.

    Examples:
        >>> drawn = Exploration(explores=np.zeros(2, bool), option=np.full(2, -1), epsilon=0.3, kept=np.ones(2),
        ...                     used={}, draws=1)
        >>> find_chances(np.array([0, -1]), np.array([[True, True], [False, False]]), drawn).round(4)
        array([[0.8, 0.1, 0.1],
               [0. , 0. , 1. ]])
    """
    n, m = explorable.shape
    rates = exploration.rates
    even, has_new = _part(explorable, rates)
    arms = even.sum(axis=1, dtype=np.int16) + 1
    chances = np.empty((n, m + 1))
    np.multiply(even, exploration.epsilon * exploration.kept, out=chances[:, :m])
    chances[:, :m] /= arms[:, None]
    by_lot = np.full(n, exploration.epsilon)
    if rates is not None:
        chances[:, :m] += explorable * (rates.option * exploration.kept)
        by_lot += rates.whole * has_new
    chances[:, m] = by_lot - chances[:, :m].sum(axis=1)
    chances[np.arange(n), choice] += 1 - by_lot
    return chances


def _part(explorable: np.ndarray, rates: Rates | None) -> tuple[np.ndarray, np.ndarray]:
    """What the even draw is over, shape (n, m), and who has a new offer open, shape (n,)."""
    if rates is None:
        return explorable, np.zeros(len(explorable), dtype=bool)
    return explorable & ~rates.tried, np.asarray(explorable[:, rates.tried].any(axis=1))


def _draw(
    words: np.ndarray, explorable: np.ndarray, arms: np.ndarray, epsilon: float, kept: np.ndarray, has_new: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Who explores, and what those drew: the word's upper half says who, its lower half what and whether it is kept."""
    explores = ((words >> _HALF).astype(np.float64) * _32_BITS < epsilon) & ((arms > 1) | has_new)
    option = np.full(len(words), NONE, dtype=np.int16)
    who = np.flatnonzero(explores)
    place = (words[who] & _LOW).astype(np.float64) * _32_BITS * arms[who]
    rank = place.astype(np.int64)
    reached = np.cumsum(explorable[who], axis=1) == rank[:, None] + 1
    drawn = np.where(rank < arms[who] - 1, reached.argmax(axis=1), NONE)
    stays = (drawn >= 0) & (place - rank < kept[drawn])
    option[who[stays]] = drawn[stays]
    return explores, option


def _try(
    words: np.ndarray,
    explorable: np.ndarray,
    has_new: np.ndarray,
    epsilon: float,
    kept: np.ndarray,
    rates: Rates | None,
    option: np.ndarray,
) -> np.ndarray:
    """Who is tried with a new offer, whose option is written down; the words are read as the even draw does."""
    if rates is None:
        return np.zeros(len(words), dtype=bool)
    place = (words >> _HALF).astype(np.float64) * _32_BITS - epsilon
    tried = (place >= 0) & (place < rates.whole) & has_new
    who, ends = np.flatnonzero(tried), np.cumsum(rates.option)
    place = (words[who] & _LOW).astype(np.float64) * _32_BITS * rates.whole
    drawn = np.searchsorted(ends, place, side="right")
    who, place, drawn = who[drawn < len(ends)], place[drawn < len(ends)], drawn[drawn < len(ends)]
    is_kept = place - (ends - rates.option)[drawn] < kept[drawn] * rates.option[drawn]
    stays = explorable[who, drawn] & is_kept
    option[who[stays]] = drawn[stays]
    return np.asarray(tried)


def _keep_within(
    explorable: np.ndarray,
    arms: np.ndarray,
    problem: Problem,
    epsilon: float,
    most_of_limits: float,
    rates: Rates | None,
) -> np.ndarray:
    """Chance that a drawn option is kept, shape (m,): the least that any of its limits asks for."""
    m = problem.m
    is_new = np.zeros(m, dtype=bool) if rates is None else rates.tried
    chance = np.broadcast_to(epsilon / arms[:, None], explorable.shape)
    if rates is not None:
        chance = np.where(is_new, rates.option, chance)
    count = np.array([chance[:, a].sum(where=explorable[:, a]) for a in range(m)])
    money, money_squared = _expected_money(problem, explorable, chance)
    kept = np.ones(m)
    for k, (usage, most) in enumerate(zip(problem.usage, problem.most, strict=True)):
        if not np.isfinite(most):
            continue
        is_own = problem.names[k] == BUDGET
        mean = money if is_own else usage * count
        square = money_squared if is_own else usage**2 * count
        factor = fitting(float(mean.sum()), float(square.sum()), float(most), most_of_limits)
        kept[mean > 0] = np.minimum(kept[mean > 0], factor)
    return kept


def _expected_money(problem: Problem, explorable: np.ndarray, chance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Expected cost of an even draw by option, and the expected sum of squared costs, both shape (m,)."""
    first, second = np.zeros(problem.m), np.zeros(problem.m)
    if problem.budget is None:
        return first, second
    for a in range(problem.m):
        open_to = explorable[:, a]
        cost = problem.cost[a] if problem.cost.ndim == 1 else problem.cost[open_to, a].astype(np.float64)
        first[a] = (chance[open_to, a] * cost).sum()
        second[a] = (chance[open_to, a] * cost**2).sum()
    return first, second


def _use(problem: Problem, option: np.ndarray) -> dict[str, float]:
    who = np.flatnonzero(option >= 0)
    counts = np.bincount(option[who], minlength=problem.m)
    used = {limit.name: float(limit.per_option(problem.m) @ counts) for limit in problem.limits}
    used[BUDGET] = _spend(problem, option, who) if problem.budget is not None else 0.0
    return used


def _spend(problem: Problem, option: np.ndarray, who: np.ndarray) -> float:
    """What the options of some customers cost."""
    cost = problem.cost[option[who]] if problem.cost.ndim == 1 else problem.cost[who, option[who]]
    return float(cost.sum(dtype=np.float64))


__all__ = ["NONE", "Draw", "Exploration", "draw_decisions", "draw_exploration", "find_chances"]
