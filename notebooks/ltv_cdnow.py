# %% [markdown]
# # What customers will be worth
#
# CDNOW sold CDs by post in 1997 and 1998; 23,570 customers came in the first quarter of 1997. What will each bring in
# the 39 weeks after September 1997, and was that so?

# %%
import os
from datetime import date
from pathlib import Path

import pandas as pd

from netlift import LtvModel, rfm

data = Path(os.environ.get("NETLIFT_DATA", "../shared/data"))
raw = pd.read_parquet(data / "cdnow_master.parquet")
receipts = pd.DataFrame(
    {"customer_id": raw.customer_id, "occurred_at": pd.to_datetime(raw.date), "margin": raw.dollar_value}
)
split, weeks = date(1997, 10, 1), 39
history = rfm(receipts, as_of=split)
history[["purchase_days_all", "days_since_last_purchase", "margin_all"]].head(3)

# %% [markdown]
# No label is needed: a process of purchases (BG/NBD) and of their size (Gamma-Gamma) is fitted to the histories alone.

# %%
model = LtvModel(horizon_days=7 * weeks).fit(history)
predicted = pd.Series(model.predict(history), index=history.index)

# %% [markdown]
# The money that came later, which the model never saw. The process knows no seasons, and the level was not met.
# `netlift train` learns the level from earlier cutoffs, where there are some.

# %%
start = pd.Timestamp(split)
later = receipts[(receipts.occurred_at >= start) & (receipts.occurred_at < start + pd.Timedelta(weeks=weeks))]
came = later.groupby("customer_id").margin.sum().reindex(predicted.index).fillna(0.0)
print(f"predicted {predicted.sum():,.0f}, came {came.sum():,.0f}: {predicted.sum() / came.sum() - 1:+.1%}")

# %% [markdown]
# What a list of a tenth of the customers holds, of the money: by the model, by what they had spent, and at best.

# %%
tenth = len(came) // 10
spent = history.margin_all
held = {"model": predicted, "spent so far": spent, "at best": came}
share = {
    name: came[order.sort_values(ascending=False).index[:tenth]].sum() / came.sum() for name, order in held.items()
}
pd.Series(share).round(3)
