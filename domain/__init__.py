"""Nouns and rules of the product. Imports nothing but the standard library and pydantic."""
