"""`make bench`: what Karen costs next to the bare parts it is made of; see docs/benchmarks.md."""
