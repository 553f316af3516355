"""The operations of the OpenAPI document, with examples."""
