"""What was decided, as rows to learn from, and the commands around training that need its extra."""
