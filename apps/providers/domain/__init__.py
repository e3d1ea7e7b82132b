"""Pure facts and computations about models."""
