"""Colors of few possible values and their counts: 8 bits in up to 3 bands, or 16 bits in one."""
