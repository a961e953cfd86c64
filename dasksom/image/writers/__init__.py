"""Code shared by all writers of labels."""
