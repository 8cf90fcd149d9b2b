"""What operators do with lists that wait for them."""
