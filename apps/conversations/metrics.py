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
context_tokens_total = Counter(
    "kari_chat_context_tokens_total", "Tokens of prompts, as counted before they are sent."
)
context_seconds = Histogram(
    "kari_chat_context_seconds",
    "Time to assemble a prompt.",
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.08, 0.15, 0.3, 1),
)
context_missing_total = Counter(
    "kari_chat_context_missing_total", "Prompts that went without a source.", ["source"]
)
follow_ups_total = Counter(
    "kari_chat_follow_ups_total", "Titles and summaries, by outcome.", ["task", "outcome"]
)
turns_total = Counter("karen_turns_total", "Attempts that ended, by state.", ["state"])
turns_degraded_total = Counter(
    "karen_turns_degraded_total", "Turns answered with less than everything, by level.", ["level"]
)
