"""Kedro datasets: those of kedro-datasets, written aside and renamed; and a folder, for results of many files."""

from modelmill.datasets.aside import Figure, Picture, Report, Table, Text
from modelmill.datasets.folder import Folder, WorkFolder
from modelmill.datasets.large_table import LargeTable

__all__ = ["Figure", "Folder", "LargeTable", "Picture", "Report", "Table", "Text", "WorkFolder"]
