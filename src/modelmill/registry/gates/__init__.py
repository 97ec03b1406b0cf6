"""Gates: checks that a version must pass to enter a stage, one module per kind of evidence."""
