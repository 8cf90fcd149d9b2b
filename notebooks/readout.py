# %% [markdown]
# # What a test earned
#
# A test of 12,000 customers, drawn by chance: a third got points by SMS, a third an e-mail, a third nothing. They are
# invented, so that the truth is known: an SMS adds 6 to the margin of a customer and costs 4, an
# e-mail adds 1.5 and costs 0.2.

# %%
import numpy as np
import pandas as pd

from netlift import Experiment

rng = np.random.default_rng(4)
n = 12_000
arm = rng.choice(["control", "sms", "email"], n)
before = np.where(rng.random(n) < 0.6, rng.gamma(1.5, 40, n), 0.0)
truth = {"control": 0.0, "sms": 6.0, "email": 1.5}
price = {"control": 0.0, "sms": 4.0, "email": 0.2}
cost = pd.Series(arm).map(price).to_numpy()
buys = rng.random(n) < 0.3 + 0.3 * (before > 0)
more = pd.Series(arm).map(truth).to_numpy() / buys.mean()  # who buys, buys more
margin = np.where(buys, 0.5 * before + rng.gamma(2, 15, n) + more, 0.0)
df = pd.DataFrame({"arm": arm, "profit": margin - cost, "cost": cost, "spend_before": before})

# %% [markdown]
# Everybody who was drawn counts, whether the message arrived or not. What was spent before takes noise out (CUPED), and
# the intervals hold for both arms at once.

# %%
test = Experiment(profit="profit", cost="cost", covariates=["spend_before"], currency="EUR", name="Points by SMS")
result = test.analyze(df)
result

# %% [markdown]
# The figures themselves, a row an arm and a line of money; `result.to_html("ru")` is the page for who asks.

# %%
lines = result.to_frame().query("line == 'profit'")
lines[["arm", "per_customer", "per_customer_ci_lower", "per_customer_ci_upper"]].round(2)
