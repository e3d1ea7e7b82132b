"""What crosses the border of `apps.providers`: requests, events, models, embeddings."""

from apps.providers.contracts.adapters import (
    BatchingAdapter as BatchingAdapter,
    ChatAdapter as ChatAdapter,
    CustomAdapter as CustomAdapter,
    EmbeddingAdapter as EmbeddingAdapter,
    VectorBatch as VectorBatch,
)
from apps.providers.contracts.calls import (
    INTERACTIVE as INTERACTIVE,
    NOBODY as NOBODY,
    Cause as Cause,
    Flow as Flow,
    Level as Level,
    Origin as Origin,
)
from apps.providers.contracts.events import (
    Finished as Finished,
    FinishReason as FinishReason,
    ProviderEvent as ProviderEvent,
    ReasoningDelta as ReasoningDelta,
    TextDelta as TextDelta,
    Usage as Usage,
    UsageReport as UsageReport,
)
from apps.providers.contracts.models import (
    PARAMETERS as PARAMETERS,
    SAMPLING as SAMPLING,
    Embedding as Embedding,
    EngineHealth as EngineHealth,
    ModelInfo as ModelInfo,
    Route as Route,
    TokenCounter as TokenCounter,
)
from apps.providers.contracts.requests import (
    ChatMessage as ChatMessage,
    ImageData as ImageData,
    ModelRequest as ModelRequest,
    Role as Role,
    ToolCall as ToolCall,
    ToolSpec as ToolSpec,
)
