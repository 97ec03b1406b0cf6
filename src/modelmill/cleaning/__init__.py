"""From raw records to clean, deduplicated, split ones. Pure functions on tables; every record is accounted for."""
