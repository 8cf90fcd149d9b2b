"""The demo retailer's invented world: economics, people, their lives day by day, campaigns, and the exact truth."""
