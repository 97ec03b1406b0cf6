"""Judging a model on the test split: metrics with intervals, baselines, figures, the model card."""
