"""Whatever touches a socket, a clock, a key or a store."""
