"""What operators type, as values: commands, tasks, schedules, moments."""
