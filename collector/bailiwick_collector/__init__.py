"""The ledger's collector: rows from all gateways, by gRPC, into PostgreSQL."""
