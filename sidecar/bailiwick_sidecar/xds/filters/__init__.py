"""HTTP filters, one a file; `order` holds the only ordering."""
