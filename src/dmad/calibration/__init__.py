"""Thresholds from normal data alone: budgets, standardised scores, false-alarm rates, alarms."""
