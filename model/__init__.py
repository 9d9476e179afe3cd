"""The meeting place: market engine, ledger, negotiation, yardsticks, records."""
