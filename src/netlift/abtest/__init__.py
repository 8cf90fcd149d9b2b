"""Randomized tests on customers, measured in money: design, assignment, readout and portfolio."""
