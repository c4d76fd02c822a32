"""Thresholds that need no anomaly: budgets, standardisation, tails, thresholds, hysteresis. Arrays in, numbers out."""
