"""One module per command; each loads what it uses when it runs."""
