"""What Lambda does: reads the triggers of app.py, polls the queues, keeps schedules, runs functions in processes."""
