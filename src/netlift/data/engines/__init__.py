"""Engines that tables are read with: one protocol, one module for each. Nothing else imports a database's driver."""
