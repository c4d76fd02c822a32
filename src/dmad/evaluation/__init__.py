"""Metrics of scores, published protocols, and the ledger (the table of all results)."""
