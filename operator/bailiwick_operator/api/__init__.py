"""Typed resources: models, schemas, rules, and loading and validating of files."""
