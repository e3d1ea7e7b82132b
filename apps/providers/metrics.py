"""What the gateway counts. Labels are bounded: flows, configured models, outcomes."""

from prometheus_client import Counter, Gauge, Histogram

OPERATIONS = Counter(
    "kari_model_operations",
    "Model calls by flow, model and outcome (ok, closed, or an error code).",
    ["operation", "model", "status"],
)
DURATION = Histogram(
    "kari_model_operation_duration_seconds",
    "Time of a whole model call.",
    ["operation", "model"],
    buckets=(0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600),
)
FIRST_TOKEN = Histogram(
    "kari_model_first_token_seconds",
    "Time from the call to the first visible event.",
    ["operation", "model"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)
TOKENS = Counter(
    "kari_model_tokens",
    "Tokens by direction (prompt, completion); estimates included.",
    ["operation", "model", "direction"],
)
RETRIES = Counter(
    "kari_model_retries", "Attempts repeated before the first token.", ["model", "cause"]
)
PREFIX_TOKENS = Counter(
    "kari_model_local_prompt_tokens",
    "Prompt tokens of local models: reused from the cache or read anew.",
    ["outcome"],
)
LOCAL_UNLOADS = Counter(
    "kari_model_local_unloads",
    "Local models given up by this process: idle for long, or in the way of another one.",
    ["reason"],
)
LOCAL_LOADED = Gauge("kari_model_local_loaded", "Local models in this process's memory.")
LOCAL_MEMORY_BYTES = Gauge(
    "kari_model_local_memory_bytes", "What the loaded local models are estimated to take."
)
DOWNLOAD_BYTES = Counter(
    "kari_model_download_bytes", "Bytes of model files that were fetched for the library."
)
STORAGE_BYTES = Gauge("kari_model_storage_bytes", "Bytes of model files in the models folder.")
