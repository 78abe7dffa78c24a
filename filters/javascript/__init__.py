"""Browser filters: JavaScript, run in V8 in a process that can reach nothing."""
