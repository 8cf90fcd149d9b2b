"""The segments as pages: tables, charts and sentences."""
