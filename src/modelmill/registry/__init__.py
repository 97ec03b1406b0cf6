"""Versions of models: digests, lineage, and the one door to MLflow (`store`)."""
