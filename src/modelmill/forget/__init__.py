"""Where a record went, and what to do so that it is gone: what `kedro product forget` does."""
