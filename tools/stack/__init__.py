"""The stack of one machine: what `make run` and `make test` install, start, watch and stop."""
