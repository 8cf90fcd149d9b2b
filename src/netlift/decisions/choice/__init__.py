"""What each customer gets: the value of each option, and the choice under limits, exploration and the draw."""
