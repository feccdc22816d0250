"""Separators: from a mixture and a condition to the estimate of what the condition describes."""
