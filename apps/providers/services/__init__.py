"""What changes the gateway's books, and what renders prompts."""
