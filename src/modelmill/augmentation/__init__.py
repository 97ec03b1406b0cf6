"""Altered copies of training records."""
