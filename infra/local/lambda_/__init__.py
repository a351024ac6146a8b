"""Lambda: the triggers of app.py, pollers for its queues, its schedules, and the processes that run its functions."""
