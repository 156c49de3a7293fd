"""Debian's prometheus-pgbouncer-exporter, started by a test with the command line of its own.

Version 1.7 knows the columns of PgBouncer 1.7: `total_requests` became `total_query_count` in 1.8, `reserve_pool` `reserve_pool_size` in 1.24, and with these two
it fails at the Debian release's own PgBouncer, too. Here it is told the present names; all else is its own: how it connects, asks, reads and serves.
"""
from prometheus_pgbouncer_exporter import cli, collectors

PRESENT = {"total_requests": "total_query_count", "reserve_pool": "reserve_pool_size"}

for collector in (collectors.StatsCollector, collectors.DatabasesCollector):
    collector.metrics = {PRESENT.get(column, column): about for column, about in collector.metrics.items()}

if __name__ == "__main__":
    cli.main()
