"""What a run says of itself, and the image that it read."""
