"""The in-process engine for GGUF models: one owner thread per model, sequences share batches."""

import os

# Threads that compute together spin while they wait for each other; by default for milliseconds.
# Where something else wants the same processors, that is the time the others are missing: with two
# threads on two busy cores (load 8 to 12) six answers of 24 tokens did not end within 40 s; with
# this each took 2 to 4 s.
# Read once, when llama.cpp's OpenMP is loaded; what the operator set is kept.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # lint: allow environ: only libgomp reads it
