"""The engine against recorded incidents, its own and those of others."""
