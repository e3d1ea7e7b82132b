"""Prompts: what ships with Karen, what stands in force, and how it is rendered."""
