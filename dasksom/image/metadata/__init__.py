"""What files declare of their pixels, in forms that several formats share."""
