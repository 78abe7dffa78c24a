"""One-machine stand-ins for what the cloud provides, and the supervisor that runs them."""
