"""People and programs: who they are, what they may do, and what they did. Knows no HTTP and no answer."""
