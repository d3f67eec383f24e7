"""The data plane's configuration: from a tenant's config to what Envoy serves.

Importing anything of `envoy_data_plane` costs time and memory, so nothing outside this package
does, and this module itself imports nothing.
"""
