"""Metrics of the chat; names as in the seeds."""

from prometheus_client import Counter, Gauge, Histogram

chat_requests_total = Counter("kari_chat_requests_total", "Messages taken, by edge.", ["edge"])
chat_errors_total = Counter(
    "kari_chat_errors_total", "Errors shown to chat clients, by code.", ["code"]
)
active_sessions = Gauge("kari_chat_active_sessions", "Open chat sockets of this process.")
chat_latency_seconds = Histogram(
    "kari_chat_latency_seconds", "From claiming a turn to its first delta, in seconds."
)
tokens_streamed_total = Counter("kari_chat_tokens_streamed_total", "Tokens of answers.")
context_tokens = Histogram(
    "kari_chat_context_messages", "Messages in a prompt.", buckets=(1, 2, 5, 10, 20, 50, 100, 200)
)
turns_total = Counter("karen_turns_total", "Attempts that ended, by state.", ["state"])
turns_degraded_total = Counter(
    "karen_turns_degraded_total", "Turns answered with less than everything, by level.", ["level"]
)
