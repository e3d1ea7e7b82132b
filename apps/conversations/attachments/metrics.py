"""Metrics of attachments."""

from prometheus_client import Counter, Histogram

uploads_total = Counter(
    "karen_attachment_uploads_total", "Files taken or refused at upload, by outcome.", ["outcome"]
)
uploaded_bytes_total = Counter("karen_attachment_uploaded_bytes_total", "Bytes of files taken.")
hooks_total = Counter(
    "karen_attachment_hooks_total",
    "Runs of a hook, by kind of file and outcome (ok, or the code of the error).",
    ["hook", "kind", "outcome"],
)
hook_seconds = Histogram(
    "karen_attachment_hook_seconds", "Run time of a hook in seconds.", ["hook", "kind"]
)
