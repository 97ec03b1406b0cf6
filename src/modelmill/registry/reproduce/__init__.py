"""Building a registered version again from its lineage, and saying whether it is the same."""
