"""What every writer of labels shares."""
