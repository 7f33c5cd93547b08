"""The signals: each compares the incident with quiet time in its own way, all answer with anomalies."""

from causal.signals.all import MEASURES, SIGNALS, Signal

__all__ = ["MEASURES", "SIGNALS", "Signal"]
