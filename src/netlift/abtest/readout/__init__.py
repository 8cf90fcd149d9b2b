"""The readout of one campaign: arms, profit, ROI, checks and verdict."""
