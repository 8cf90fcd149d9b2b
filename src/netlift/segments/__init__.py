"""Who the customers are: RFM, value segments, migration, what a segment costs and brings, how long it stays."""
