"""How good is it, in money: classification, value, uplift and off-policy judgement, each with its interval."""
