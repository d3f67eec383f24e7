"""Money at the end of a month: the report, prices corrected, the invoice compared."""
