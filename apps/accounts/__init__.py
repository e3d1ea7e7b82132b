"""People, their memberships and roles, sessions bound to a host, and the ways in."""
