"""What providers say was used and is charged, read from the files that they export."""
