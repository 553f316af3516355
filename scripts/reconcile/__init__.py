"""Holds orders against their logs, says what does not agree, and puts right what it can."""
