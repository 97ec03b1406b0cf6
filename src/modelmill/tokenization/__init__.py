"""Training a tokenizer, and texts as ragged arrays of token ids on disk."""
