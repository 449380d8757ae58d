"""What everything else stands on: arguments, devices, seeds, torch's ambient state, Ctrl-C."""
