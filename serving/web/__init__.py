"""What every HTTP request meets, whatever it asks for: who may come in, how much, and how what went wrong is told."""
