"""The design of a test before its first contact: power, size, cost, the plan."""
