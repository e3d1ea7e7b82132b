"""Karen's memory for other assistants, over the Model Context Protocol."""
