"""What this process shows of itself: metrics, samples and alarms."""
