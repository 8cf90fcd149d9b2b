"""Margin forecast by month and segment."""
