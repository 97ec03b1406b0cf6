"""What a product of each kind of task does, a file for each kind, and what they share. `task.py` is the protocol."""
