"""The months of the business in figures, from contacts to money."""
