"""Keeps the processes of one machine running: starts them in order, waits for health, restarts what fails and stops in reverse."""
