"""The ledger: one row for each attempt that has ended, kept in SQL."""
