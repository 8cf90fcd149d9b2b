"""Assignment of customers to arms: the random draw, the universal holdout and the audience."""
