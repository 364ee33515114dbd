"""Question, passages, evidence, answer with footnotes, and the service around it. Knows no evaluation."""
