"""Next purchase: time and category, evaluated out of time against baselines."""
