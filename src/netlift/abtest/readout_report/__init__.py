"""The readout as documents: page, slides and workbook."""
