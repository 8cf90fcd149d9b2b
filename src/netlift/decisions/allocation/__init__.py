"""Allocation of one option per customer under budgets and capacities."""
