# %% [markdown]
# # Whom an e-mail changes
#
# The 64,000 customers of Hillstrom's test got an e-mail with men's or with women's clothes, or none, drawn by chance.
# Who came to the site within two weeks because of it?

# %%
import os
from pathlib import Path

import pandas as pd

from netlift import UpliftModel, allocate, policy_value, qini

data = Path(os.environ.get("NETLIFT_DATA", "../shared/data"))
d = pd.read_parquet(data / "hillstrom.parquet")
X = d.drop(columns=["segment", "visit", "conversion", "spend"])
d.groupby("segment").visit.agg(["size", "mean"])

# %% [markdown]
# Chance drew the arms alike for everybody (`"shares"`); text columns stay as they are.

# %%
model = UpliftModel(control="No E-Mail", unit="visits").fit(X, d.segment, d.visit, propensity="shares")
model.summary()

# %% [markdown]
# `effect()` without rows is out of fold: nothing judges itself. A Qini above zero says that the model orders customers
# better than chance; the interval is of what it orders.

# %%
effect = model.effect()
judged = qini(d.visit, d.segment, effect, propensity="shares", unit="visits")
judged

# %% [markdown]
# What choosing the better e-mail for each customer brings, against the best e-mail for everybody. Where the interval
# holds zero, the simple rule is as good.

# %%
chosen, none = effect.idxmax(axis=1), "No E-Mail"
against_best = policy_value(
    d.visit, d.segment, chosen, propensity="shares", control=none, against="Mens E-Mail", unit="visits"
)
against_best

# %% [markdown]
# A budget of 1,000, at 0.10 an e-mail.

# %%
choice = allocate(effect, {"Mens E-Mail": 0.1, "Womens E-Mail": 0.1}, budget=1_000)
choice
