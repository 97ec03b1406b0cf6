"""Reading declared sources into one table of records: id, text, label, origin."""
