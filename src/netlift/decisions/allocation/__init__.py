"""One option for each customer under budgets and capacities."""
