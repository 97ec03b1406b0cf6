"""Altered copies of training records."""

from modelmill.augmentation.text import augment

__all__ = ["augment"]
