from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2, chi2_contingency, kstest

from netlift.abtest.assignment.draw import (
    REST,
    assign,
    draw_arms,
    draw_blocks,
    hash_units,
    sample_customers,
    to_uniform,
)
from netlift.errors import DataError

pytestmark = pytest.mark.slow

SHARES = {"control": 0.1, "sms": 0.3, "call": 0.6}
IDS = [f"{i:010d}" for i in range(20_000)]

ids_lists = st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=60, unique=True)
salts = st.text(max_size=20)
weights = st.lists(st.floats(0.01, 1.0), min_size=2, max_size=5)


def shares_of(values):
    total = sum(values)
    return {f"arm{i}": value / total for i, value in enumerate(values)}


def arm_names(assignment):
    return [assignment.arms[position] for position in assignment.arm]


@given(ids=ids_lists, salt=salts, values=weights, seed=st.integers(0, 99))
def test_the_order_of_the_rows_moves_nobody(ids, salt, values, seed):
    order = np.random.default_rng(seed).permutation(len(ids))
    plain = dict(zip(ids, arm_names(assign(ids, shares=shares_of(values), salt=salt)), strict=True))
    mixed = [ids[i] for i in order]
    assert dict(zip(mixed, arm_names(assign(mixed, shares=shares_of(values), salt=salt)), strict=True)) == plain


@given(ids=ids_lists, more=ids_lists, salt=salts, values=weights)
def test_customers_who_join_later_move_nobody(ids, more, salt, values):
    together = list(dict.fromkeys([*ids, *more]))
    before = arm_names(assign(ids, shares=shares_of(values), salt=salt))
    after = arm_names(assign(together, shares=shares_of(values), salt=salt))
    assert after[: len(ids)] == before


@given(ids=ids_lists, salt=salts, values=weights, grow=st.integers(0, 4), factor=st.floats(1.0, 20.0))
def test_when_an_arm_grows_customers_move_into_it_and_nowhere_else(ids, salt, values, grow, factor):
    grow %= len(values)
    larger = [value * factor if i == grow else value for i, value in enumerate(values)]
    before = arm_names(assign(ids, shares=shares_of(values), salt=salt))
    after = arm_names(assign(ids, shares=shares_of(larger), salt=salt))
    assert all(now in (then, f"arm{grow}") for then, now in zip(before, after, strict=True))


def test_the_treated_stay_treated_while_the_treated_share_grows():
    treated: set[str] = set()
    for share in (0.05, 0.2, 0.5, 0.8, 0.99):
        names = arm_names(assign(IDS, shares={"control": 1 - share, "sms": share}, salt="C12"))
        now = {customer for customer, name in zip(IDS, names, strict=True) if name == "sms"}
        assert treated <= now
        treated = now


def test_the_order_in_which_arms_are_written_moves_nobody():
    backwards = dict(reversed(SHARES.items()))
    one, other = assign(IDS, shares=SHARES, salt="C12"), assign(IDS, shares=backwards, salt="C12")
    assert arm_names(one) == arm_names(other)


def test_propensities_are_the_planned_shares():
    drawn = assign(IDS, shares=SHARES, salt="C12")
    assert np.array_equal(drawn.propensity, np.array(list(SHARES.values()))[drawn.arm])


def p_values_of_splits(shares, ids, salts):
    """Pearson's test of each salt's counts against the shares."""
    expected = len(ids) * np.array(list(shares.values()))
    found = []
    for salt in salts:
        counts = np.array(list(assign(ids, shares=shares, salt=salt).counts.values()))
        found.append(chi2.sf(np.sum((counts - expected) ** 2 / expected), len(shares) - 1))
    return np.array(found)


@pytest.mark.parametrize("shares", [SHARES, {"control": 0.02, "sms": 0.98}, {"control": 0.5, "sms": 0.5}])
def test_over_many_salts_the_shares_are_those_of_a_fair_draw(shares):
    found = p_values_of_splits(shares, IDS[:3000], [f"salt {i}" for i in range(250)])
    assert kstest(found, "uniform").pvalue > 0.001
    assert np.mean(found < 0.05) < 0.09


def test_ids_that_follow_a_pattern_are_drawn_as_fairly_as_any():
    patterns = {
        "numbers": [str(i) for i in range(2000)],
        "sevens": [str(i * 7_000) for i in range(2000)],
        "long": [f"customer-{i:030d}" for i in range(2000)],
        "same end": [f"{i}@example.org" for i in range(2000)],
    }
    for ids in patterns.values():
        found = p_values_of_splits(SHARES, ids, [str(i) for i in range(100)])
        assert kstest(found, "uniform").pvalue > 0.001


def test_two_plans_draw_independently_of_each_other():
    found = []
    for i in range(150):
        one, other = (assign(IDS[:2000], shares=SHARES, salt=f"{i}/{name}").arm for name in ("C12", "C13"))
        found.append(chi2_contingency(np.bincount(3 * one + other, minlength=9).reshape(3, 3), correction=False).pvalue)
    assert kstest(found, "uniform").pvalue > 0.001


def test_purposes_of_one_salt_have_nothing_to_do_with_each_other():
    arm, sample = (to_uniform(hash_units(IDS, salt="C12", purpose=purpose)) for purpose in ("arm", "sample"))
    assert abs(np.corrcoef(arm, sample)[0, 1]) < 4 / np.sqrt(len(IDS))


def test_what_is_known_of_customers_is_balanced_between_arms():
    rng = np.random.default_rng(7)
    spend = rng.lognormal(5, 1.0, 4000)
    scores = []
    for i in range(200):
        treated = assign(IDS[:4000], shares={"control": 0.2, "sms": 0.8}, salt=str(i)).arm == 1
        difference = spend[treated].mean() - spend[~treated].mean()
        scores.append(difference / (spend.std() * np.sqrt(1 / treated.sum() + 1 / (~treated).sum())))
    assert abs(np.mean(scores)) < 4 / np.sqrt(200)
    assert 0.85 < np.std(scores) < 1.15


def test_the_hash_is_the_keyed_blake2_of_the_id_that_anybody_can_compute():
    key = hashlib.blake2b(b"C12").digest()
    digest = hashlib.blake2b(b"0001", digest_size=8, key=key, person=b"arm").digest()
    assert hash_units(["0001"], salt="C12", purpose="arm")[0] == int.from_bytes(digest, "big")


@given(
    sizes=st.lists(st.integers(10, 60), min_size=1, max_size=6),
    values=st.lists(st.floats(0.11, 1.0), min_size=2, max_size=4),
    salt=salts,
)
def test_within_strata_every_arm_has_its_share_to_within_one_and_the_propensity_is_what_it_has(sizes, values, salt):
    shares = shares_of(values)
    fewest = int(np.ceil(1 / min(shares.values())))
    strata = [f"s{j}" for j, size in enumerate(sizes) for _ in range(size + fewest)]
    ids = [str(i) for i in range(len(strata))]
    drawn = assign(ids, shares=shares, salt=salt, strata=strata)
    assert drawn.merged == 0 and drawn.strata == len(sizes)
    labels = np.array(strata)
    for name in set(strata):
        own = labels == name
        counts = np.bincount(drawn.arm[own], minlength=len(shares))
        assert np.all(np.abs(counts - own.sum() * np.array(list(shares.values()))) < 1 + 1e-9)
        assert counts.min() >= 1
        assert np.allclose(drawn.propensity[own], (counts / own.sum())[drawn.arm[own]])


def test_over_many_salts_everybody_of_a_stratum_has_the_planned_chance():
    ids, shares = [str(i) for i in range(7)], {"control": 0.3, "sms": 0.7}
    hits = np.zeros(7)
    for i in range(3000):
        hits += assign(ids, shares=shares, salt=str(i), strata=["s"] * 7).arm == 0
    assert np.all(np.abs(hits / 3000 - 0.3) < 4.5 * np.sqrt(0.21 / 3000))


def test_strata_balance_exactly_what_single_draws_balance_only_on_average():
    strata = [str(i % 4) for i in range(len(IDS))]
    drawn = assign(IDS, shares={"control": 0.25, "sms": 0.75}, salt="C12", strata=strata)
    assert drawn.counts == {"control": 5000, "sms": 15000}


def test_strata_too_small_for_every_arm_are_drawn_together_and_counted():
    strata = ["large"] * 500 + [f"tiny {i}" for i in range(40)]
    ids = [str(i) for i in range(len(strata))]
    drawn = assign(ids, shares={"control": 0.1, "sms": 0.9}, salt="C12", strata=strata)
    assert (drawn.strata, drawn.merged) == (2, 40)
    assert drawn.propensity.max() < 1
    alone = assign(ids[:502], shares={"control": 0.1, "sms": 0.9}, salt="C12", strata=strata[:502])
    assert (alone.strata, alone.merged) == (1, 502)
    assert REST not in strata


def test_too_few_customers_for_the_smallest_arm_are_refused():
    with pytest.raises(DataError, match=r"3 customers.* needs 20.* widen eligible"):
        assign(["a", "b", "c"], shares={"control": 0.05, "sms": 0.95}, salt="C12", strata=["x"] * 3)


def test_a_household_shares_its_arm_and_who_has_none_stands_for_himself():
    households = [f"{i // 3}" if i % 2 else None for i in range(3000)]
    ids = [str(i) for i in range(3000)]
    drawn = assign(ids, shares=SHARES, salt="C12", cluster=households)
    arms_of: dict[str, set[int]] = {}
    for household, arm in zip(households, drawn.arm, strict=True):
        if household is not None:
            arms_of.setdefault(household, set()).add(int(arm))
    assert all(len(arms) == 1 for arms in arms_of.values())
    alone = assign(ids, shares=SHARES, salt="C12")
    single = np.array([household is None for household in households])
    assert np.array_equal(drawn.arm[single], alone.arm[single])


def test_a_household_is_not_the_customer_whose_number_it_bears():
    ids = [str(i) for i in range(2000)]
    as_household = assign([f"x{i}" for i in ids], shares={"a": 0.5, "b": 0.5}, salt="C12", cluster=ids).arm
    as_customer = assign(ids, shares={"a": 0.5, "b": 0.5}, salt="C12").arm
    assert 0.44 < np.mean(as_household == as_customer) < 0.56


def test_households_within_strata_are_of_the_stratum_of_their_first_customer_and_stay_together():
    ids = [f"{i:04d}" for i in range(400)]
    households = [str(i // 2) for i in range(400)]
    strata = ["even" if i % 2 == 0 else "odd" for i in range(400)]
    order = np.random.default_rng(3).permutation(400)
    drawn = assign(
        [ids[i] for i in order], shares={"control": 0.25, "sms": 0.75}, salt="C12",
        strata=[strata[i] for i in order], cluster=[households[i] for i in order],
    )  # fmt: skip
    assert drawn.strata == 1
    assert drawn.counts == {"control": 100, "sms": 300}


def test_a_customer_twice_is_refused_without_naming_him():
    with pytest.raises(DataError, match="1 of 3 rows repeat a customer") as caught:
        assign(["secret", "b", "secret"], shares=SHARES, salt="C12")
    assert "secret" not in str(caught.value)


def test_a_sample_keeps_to_its_limit_and_takes_households_whole():
    ids = [str(i) for i in range(999)]
    households = [str(i // 3) for i in range(999)]
    taken = sample_customers(ids, limit=300, salt="C12", cluster=households)
    assert taken.sum() == 300
    assert all(len(set(taken[i : i + 3])) == 1 for i in range(0, 999, 3))
    assert sample_customers(ids, limit=2000, salt="C12").all()


def test_a_sample_says_nothing_about_the_arm():
    taken = sample_customers(IDS, limit=5000, salt="C12")
    drawn = assign(IDS, shares={"control": 0.5, "sms": 0.5}, salt="C12")
    table = np.array([[np.sum(taken & (drawn.arm == arm)), np.sum(~taken & (drawn.arm == arm))] for arm in (0, 1)])
    assert chi2_contingency(table).pvalue > 0.001


def test_blocks_put_every_unit_into_exactly_one_arm_whatever_the_offset():
    words = np.random.default_rng(1).integers(0, 2**63, 101).astype(np.uint64)
    for offset in np.linspace(0, 0.999, 50):
        counts = np.bincount(draw_blocks(words, SHARES, float(offset)), minlength=3)
        assert counts.sum() == 101
        assert np.all(np.abs(counts - 101 * np.array([0.1, 0.3, 0.6])) < 1)


def test_draws_use_all_shares_even_when_they_do_not_add_up_to_one():
    words = hash_units(IDS, salt="C12", purpose="arm")
    assert np.array_equal(draw_arms(words, SHARES), draw_arms(words, {arm: 10 * s for arm, s in SHARES.items()}))
