"""Harness of the integration tests: a throwaway PostgreSQL, the pooler under test, a raw wire client."""
