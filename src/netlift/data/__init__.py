"""Tables: the data contract, reading, writing, and the simulated retailer."""
