"""Data under version: what each stage depends on, what changed since it ran, and DVC, which remembers it."""
