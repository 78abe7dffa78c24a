"""The cloudtrader command."""
