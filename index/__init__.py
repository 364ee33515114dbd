"""What is known and how it is found. Knows no HTTP, no prompts and no file formats."""
