"""Data under DVC: what runs again, and why."""
