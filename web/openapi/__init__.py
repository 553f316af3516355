"""The OpenAPI document, and the page that shows it: made from the table of routes and models."""

from web.openapi.served import DOCUMENT, Document

__all__ = ["DOCUMENT", "Document"]
