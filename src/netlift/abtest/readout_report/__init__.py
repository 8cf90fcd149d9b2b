"""The readout as a person sees it: page, slides, workbook."""
