"""A new business: what given files hold, which tables of the contract they are, and the config to begin with."""
