"""What the API as a whole counts. Labels are bounded: routes and outcomes."""

from prometheus_client import Counter

openai_requests_total = Counter(
    "karen_openai_requests_total",
    "Requests to the OpenAI-compatible API by route and outcome (ok, gone, or an error code).",
    ["route", "outcome"],
)

openai_fallbacks_total = Counter(
    "karen_openai_fallbacks_total",
    "Calls of the OpenAI-compatible API that went on to another model, by why.",
    ["cause"],
)

mcp_calls_total = Counter(
    "karen_mcp_calls_total",
    "Calls of tools over MCP by tool and outcome (ok, or an error code).",
    ["tool", "outcome"],
)
