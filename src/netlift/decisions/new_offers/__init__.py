"""New offers: what is known of them beside like ones, which state that is, and how a budget is spent to learn more."""
