"""What everything else stands on: errors, fields, samples, images, seeds. Imports nothing of `marigold` above it."""
