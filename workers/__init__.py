"""Who does it, and in what order? Workflows, the four agents, the door and the command line."""
