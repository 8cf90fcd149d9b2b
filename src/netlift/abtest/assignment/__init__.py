"""Who is treated and who is control: the random draw, the holdout, the audience."""
