"""The least that could do the same work; what Karen's figures are compared with."""
