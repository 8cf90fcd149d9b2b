# %% [markdown]
# # One offer or none for everybody, within a budget
#
# 20,000 customers, three offers, what each is expected to earn of each customer, and limits: money, calls, and who may
# get what.

# %%
import numpy as np
import pandas as pd

from netlift import allocate

rng = np.random.default_rng(2)
n = 20_000
customers = [f"c{i:05d}" for i in range(n)]
value = pd.DataFrame(
    {"email": rng.normal(0.3, 1, n), "sms": rng.normal(1, 3, n), "call": rng.normal(4, 9, n)}, index=customers
)
value.loc[rng.random(n) < 0.2, "call"] = np.nan  # no consent to calls
price = {"email": 0.05, "sms": 1.0, "call": 6.0}

# %% [markdown]
# An offer is given only where it is expected to earn more than nothing.

# %%
found = allocate(value, price, budget=6_000, caps={"call": 300})
found

# %% [markdown]
# How many got what, and what the limits are worth: one unit of the budget more, and one call.

# %%
found.choices.value_counts()

# %% [markdown]
# Two rules of thumb under the same limits: the offers that promise most first, and those that return most on their
# cost.

# %%
everything = value.melt(var_name="offer", value_name="value", ignore_index=False).query("value > 0")
everything["customer"] = everything.index
everything["cost"] = everything.offer.map(price)
everything["return"] = everything.value / everything.cost


def by_rule(order: str) -> float:
    """Profit of taking offers in an order, one a customer, until the money is gone."""
    money, calls, had, profit = 6_000.0, 300, set(), 0.0
    for row in everything.sort_values(order, ascending=False).itertuples():
        if row.customer in had or row.cost > money or (row.offer == "call" and not calls):
            continue
        had.add(row.customer)
        money, calls, profit = money - row.cost, calls - (row.offer == "call"), profit + row.value
    return profit


rules = {order: by_rule(order) for order in ("value", "return")}
print(
    f"allocated {found.profit:,.0f}; most value first {rules['value']:,.0f}, most return first {rules['return']:,.0f}"
)
