"""PNG, JPEG and WebP."""
