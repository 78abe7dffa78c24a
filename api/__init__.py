"""The backend: what a user may ask for."""
