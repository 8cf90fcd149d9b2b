"""Tables: the contract, the only door in, the only door out, and the simulated retailer."""
