"""Training of churn, LTV and uplift models, from cutoffs to the gate."""
