"""How good scores are: metrics, published protocols, and the ledger that collects the results."""
