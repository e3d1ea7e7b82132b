"""Analytics over memory: exported to Parquet by the hour, asked with DuckDB. Counts, never texts.

A workspace has a folder of its own below `MEMORY_ANALYTICS_ROOT`, with one small file per day in
each of three tables (`exporting.TABLES`). Nothing that serves people depends on any of it.
"""

from apps.memory.analytics.exporting import export, export_all, remove
from apps.memory.analytics.reading import DAYS_MAX, read_analytics

__all__ = ["DAYS_MAX", "export", "export_all", "read_analytics", "remove"]
