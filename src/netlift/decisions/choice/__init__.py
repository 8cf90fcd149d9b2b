"""Option of each customer: expected profit of options, and the choice under limits and exploration."""
