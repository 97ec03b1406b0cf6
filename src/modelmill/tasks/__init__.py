"""One file per kind of task: model head, training, prediction."""
