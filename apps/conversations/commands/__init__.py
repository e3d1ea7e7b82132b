"""Commands: what a person tells Karen herself rather than the model, such as `/mode code`."""
