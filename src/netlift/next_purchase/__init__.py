"""What a customer will buy next and when, by his own rhythm and categories, judged out of time against baselines."""
