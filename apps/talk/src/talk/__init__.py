"""A question in, a spoken answer out."""
