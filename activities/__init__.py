"""The only things workflows can call. They know the outside through the ports."""
