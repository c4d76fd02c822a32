"""Thresholds from normal data only: budgets, standardised scores, false-alarm rates, alarms."""
