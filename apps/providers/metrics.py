"""What the gateway counts. Labels are bounded: flows, configured models, outcomes."""

from prometheus_client import Counter, Histogram

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
LEDGER_LOST = Counter(
    "kari_model_ledger_lost", "Calls that never reached the ledger: the database was away too long."
)
BUDGET_REFUSALS = Counter(
    "kari_model_budget_refusals", "Calls refused by a hard budget.", ["level", "unit"]
)
BUDGET_ALERTS = Counter(
    "kari_model_budget_alerts", "Budgets that passed their alert share.", ["level", "unit"]
)
BREAKER_OPENED = Counter("kari_model_breaker_opened", "Circuit breakers that opened.", ["model"])
CACHE = Counter(
    "kari_model_cache",
    "Questions by what the cache did (memory, redis, joined, miss).",
    ["outcome"],
)
