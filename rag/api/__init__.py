"""The one room of HTTP and of the wire format. Decides nothing about answers."""
