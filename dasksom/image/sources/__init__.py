"""What every source of pixels shares."""
