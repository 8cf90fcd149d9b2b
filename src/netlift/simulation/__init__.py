"""The simulated retailer: economics, people, lives, campaigns and exact truth."""
