"""What a score is worth: metrics, the published protocols, and the ledger that holds them apart."""
