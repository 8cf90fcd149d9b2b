"""Code with fit and predict: churn, ltv, uplift learners, calibration, and the stored form they all share."""
