"""From a photo to maps on disk."""
