"""What each feature is, the kernel that computes all of them in one pass per customer, and labels."""
