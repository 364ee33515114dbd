"""The pages: server-rendered templates and small ES modules. They know the wire contract, no grounding and no SQL."""
