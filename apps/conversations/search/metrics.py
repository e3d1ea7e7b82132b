"""Metrics of search."""

from prometheus_client import Counter, Gauge, Histogram

searches_total = Counter(
    "karen_searches_total", "Searches answered, by what found words.", ["engine"]
)
search_seconds = Histogram("karen_search_seconds", "Time of one search, in seconds.", ["engine"])
missing_total = Counter(
    "karen_search_missing_total", "Searches that had to do without a part, by part.", ["part"]
)
indexed_total = Counter("karen_search_indexed_total", "Texts written to the index.")
lag_rows = Gauge("karen_search_lag_rows", "Texts that Elasticsearch does not know yet.")
lag_seconds = Gauge(
    "karen_search_lag_seconds", "Age of the oldest text that Elasticsearch does not know yet."
)
