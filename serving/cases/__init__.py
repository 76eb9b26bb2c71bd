"""What happens to a case after it was routed: decisions, returns and steps, and where it stands by them."""
