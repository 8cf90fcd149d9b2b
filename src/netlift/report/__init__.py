"""The kit of pages and charts."""
