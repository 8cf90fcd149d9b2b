"""Design of a test before its first contact: power, size, cost and the frozen plan."""
