"""The segments as a person sees them: page, tables, charts, sentences."""
