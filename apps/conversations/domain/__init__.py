"""Pure rules of conversations: states, titles, token budgets."""
