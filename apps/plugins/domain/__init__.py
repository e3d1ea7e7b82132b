"""Pure rules of tools: arithmetic, units, texts for models."""
