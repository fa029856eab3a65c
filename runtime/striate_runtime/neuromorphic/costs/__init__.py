"""What is counted, how long it takes, and what energy: functions of counts and the chip's description."""
