"""Training of taggers and separators: losses, schedules, data and the Lightning systems."""
