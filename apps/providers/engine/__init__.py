"""The in-process engine for GGUF models: one owner thread per model, sequences share batches."""
