"""Chips without steps: every event works its way through the layers as it comes."""
