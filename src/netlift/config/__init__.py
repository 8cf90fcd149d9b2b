"""Settings that are validated, digested and refused with one error: `configs/` and `models/`."""
