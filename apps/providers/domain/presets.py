"""Providers that people know, ready to be set up. Pure data; extend freely.

Each speaks OpenAI's chat completions, some at an address of their own for it. What a model can do
stands in `profiles`, what it costs in the price list.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """One provider as it is offered in forms.

    Attributes:
        slug: What a provider made from it is called, unless somebody says otherwise.
        label: Its name for people.
        base_url: Where it is; empty: whoever sets it up says so.
        docs: Where its keys and models are explained.
        key_hint: How its keys begin, or where to find one.
        needs_key: It answers nobody without a key.
        platform_only: It usually has a private address, which only operators may set up.
        listed_prefix: What its list of models puts before their names.
        models: Names worth trying first.
    """

    slug: str
    label: str
    base_url: str = ""
    docs: str = ""
    key_hint: str = ""
    needs_key: bool = True
    platform_only: bool = False
    listed_prefix: str = ""
    models: tuple[str, ...] = ()


OTHER = "other"

_CLOUDS = (
    Preset(
        slug="openai",
        label="OpenAI",
        base_url="https://api.openai.com/v1",
        docs="https://platform.openai.com/docs/models",
        key_hint="sk-…",
        models=("gpt-4o-mini", "gpt-4o", "gpt-4.1", "gpt-5", "gpt-5-mini", "o4-mini"),
    ),
    Preset(
        slug="gemini",
        label="Google Gemini",
        base_url="https://generativelanguage.googleapis.com/v1beta/openai",
        docs="https://ai.google.dev/gemini-api/docs/openai",
        key_hint="AIza…",
        listed_prefix="models/",
        models=("gemini-2.5-flash", "gemini-2.5-pro", "gemini-2.5-flash-lite"),
    ),
    Preset(
        slug="anthropic",
        label="Anthropic",
        base_url="https://api.anthropic.com/v1",
        docs="https://docs.anthropic.com/en/api/openai-sdk",
        key_hint="sk-ant-…",
        models=("claude-sonnet-4-5", "claude-haiku-4-5", "claude-opus-4-1"),
    ),
    Preset(
        slug="deepseek",
        label="DeepSeek",
        base_url="https://api.deepseek.com/v1",
        docs="https://api-docs.deepseek.com",
        key_hint="sk-…",
        models=("deepseek-chat", "deepseek-reasoner"),
    ),
    Preset(
        slug="groq",
        label="Groq",
        base_url="https://api.groq.com/openai/v1",
        docs="https://console.groq.com/docs/openai",
        key_hint="gsk_…",
        models=("llama-3.3-70b-versatile", "llama-3.1-8b-instant", "openai/gpt-oss-120b"),
    ),
    Preset(
        slug="mistral",
        label="Mistral",
        base_url="https://api.mistral.ai/v1",
        docs="https://docs.mistral.ai/api",
        key_hint="32 letters and digits",
        models=("mistral-small-latest", "mistral-large-latest", "codestral-latest"),
    ),
    Preset(
        slug="huggingface",
        label="Hugging Face",
        base_url="https://router.huggingface.co/v1",
        docs="https://huggingface.co/docs/inference-providers",
        key_hint="hf_…",
        models=("openai/gpt-oss-120b", "meta-llama/Llama-3.3-70B-Instruct"),
    ),
    Preset(
        slug="openrouter",
        label="OpenRouter",
        base_url="https://openrouter.ai/api/v1",
        docs="https://openrouter.ai/docs",
        key_hint="sk-or-…",
        models=("openai/gpt-4o-mini", "anthropic/claude-sonnet-4.5", "deepseek/deepseek-chat"),
    ),
)

_OWN_SERVERS = (
    Preset(
        slug="vllm",
        label="vLLM",
        base_url="http://127.0.0.1:8000/v1",
        docs="https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html",
        key_hint="what --api-key says, if anything",
        needs_key=False,
        platform_only=True,
    ),
    Preset(
        slug="llama-server",
        label="llama-server",
        base_url="http://127.0.0.1:8080/v1",
        docs="https://github.com/ggml-org/llama.cpp/tree/master/tools/server",
        key_hint="what --api-key says, if anything",
        needs_key=False,
        platform_only=True,
    ),
    Preset(
        slug="ollama",
        label="Ollama",
        base_url="http://127.0.0.1:11434/v1",
        docs="https://docs.ollama.com/openai",
        key_hint="none",
        needs_key=False,
        platform_only=True,
    ),
    Preset(
        slug="lm-studio",
        label="LM Studio",
        base_url="http://127.0.0.1:1234/v1",
        docs="https://lmstudio.ai/docs/app/api/endpoints/openai",
        key_hint="none",
        needs_key=False,
        platform_only=True,
    ),
    Preset(
        slug=OTHER,
        label="Another server",
        key_hint="what the server asks for",
        needs_key=False,
    ),
)

PRESETS: Mapping[str, Preset] = {preset.slug: preset for preset in (*_CLOUDS, *_OWN_SERVERS)}


def presets_for(*, platform: bool) -> tuple[Preset, ...]:
    """Return what operators (`platform`) or workspaces may start from."""
    return tuple(each for each in PRESETS.values() if platform or not each.platform_only)
