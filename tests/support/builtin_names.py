#!/usr/bin/python3
"""Makes proxy/routing/builtin_names.inc from the catalog of a real PostgreSQL 15: which built-in functions,
operators, types and relations the read-only proof accepts.

    PGHOST=… tests/support/builtin_names.py > proxy/routing/builtin_names.inc     (asks by psql; a fresh cluster)

A function is accepted when all that have its name in pg_catalog are immutable or stable, none is restricted to run
without parallel workers for its side effects, none is internal, and it is not in REFUSED or SERVER_SPECIFIC.
tests/integration/test_read_only_proof.py makes the file again and compares.
"""
import re
import subprocess
import sys

# What it answers depends on the server or the connection that is asked.
SERVER_SPECIFIC = re.compile(r"""
    pg_stat_.* | inet_(client|server)_(addr|port) | pg_backend_pid | pg_conf_load_time | pg_postmaster_start_time
  | pg_config | pg_cursor | pg_prepared_(statement|xact) | pg_listening_channels | pg_(my|is_other)_temp_schema
  | pg_show_all_(file_)?settings | pg_hba_file_rules | pg_ident_file_mappings | current_setting
  | pg_get_(replication_slots|shmem_allocations|backend_memory_contexts) | pg_lock_status | pg_(safe_snapshot_)?blocking_pids
  | (txid_current|pg_current_xact_id)(_if_assigned)? | (txid|pg)_current_snapshot | txid_status | pg_xact_status
  | pg_is_in_recovery | pg_is_wal_replay_paused | pg_get_wal_replay_pause_state | pg_last_(wal|xact)_.* | pg_current_wal_.*
  | pg_current_logfile | pg_control_.* | pg_walfile_name(_offset)? | pg_last_committed_xact
  | pg_tablespace_location | pg_available_extension.* | pg_extension_update_paths
""", re.X)

# Harmless by their declaration, but they run queries of their own, check what is being created, or are of no use in a
# query.
REFUSED = re.compile(r"""
    (table|schema|database)_to_xml.* | fmgr_.*_validator | .*_send | .*send | pg_event_trigger_.* | binary_upgrade_.*
""", re.X)

# Declared unsafe for parallel workers only since they may look up the temporary schema.
ALLOWED = ("current_schema", "current_schemas")

FUNCTIONS = """
select proname, bool_and(provolatile in ('i', 's') and (proparallel <> 'u' or proname in ({allowed})) and prokind <> 'p'
    and prorettype not in (select oid from pg_type where typtype = 'p' and typname in ('internal', 'cstring', 'trigger',
        'event_trigger', 'fdw_handler', 'index_am_handler', 'table_am_handler', 'language_handler', 'tsm_handler',
        'pg_ddl_command'))
    and not proargtypes::oid[] && array['internal'::regtype, 'cstring'::regtype, 'pg_ddl_command'::regtype]::oid[])
from pg_proc where pronamespace = 'pg_catalog'::regnamespace and oid < 16384 group by 1""".format(
    allowed=", ".join(f"'{name}'" for name in ALLOWED))
OPERATORS = """
select oprname, bool_and(provolatile in ('i', 's')) from pg_operator o join pg_proc p on p.oid = o.oprcode
where oprnamespace = 'pg_catalog'::regnamespace group by 1"""
TYPES = """
select typname, true from pg_type where typnamespace = 'pg_catalog'::regnamespace and typtype in ('b', 'r', 'm')
    and typcategory <> 'A'
    and typname !~ '^pg_(brin|depend|mcv|ndist|node)' and typname <> 'gtsvector'"""
# Ordinary catalogs are replicated; of the views, those that show nothing else.
RELATIONS = """
select relname, relkind = 'r' or relname in ('pg_group', 'pg_indexes', 'pg_matviews', 'pg_policies',
    'pg_publication_tables', 'pg_roles', 'pg_rules', 'pg_seclabels', 'pg_shadow', 'pg_stats', 'pg_stats_ext',
    'pg_stats_ext_exprs', 'pg_tables', 'pg_timezone_abbrevs', 'pg_timezone_names', 'pg_user', 'pg_user_mappings',
    'pg_views')
from pg_class where relnamespace = 'pg_catalog'::regnamespace and relkind in ('r', 'v')"""


def lists(ask):
    """{array: sorted names}; `ask(sql)` gives rows of two texts, the second "t" or "f"."""
    functions = dict(ask(FUNCTIONS))
    specific = {n for n in functions if SERVER_SPECIFIC.fullmatch(n)}
    harmless = {n for n, good in functions.items() if good == "t"} - specific
    return {
        "kHarmlessFunctions": sorted(n for n in harmless if not REFUSED.fullmatch(n)),
        "kServerSpecificFunctions": sorted(specific),
        "kHarmlessOperators": sorted(n for n, good in ask(OPERATORS) if good == "t"),
        "kBuiltinTypes": sorted(n for n, _ in ask(TYPES)),
        "kReplicatedCatalogs": sorted(n for n, good in ask(RELATIONS) if good == "t"),
    }


def render(arrays):
    lines = ["// Made by tests/support/builtin_names.py from the catalog of PostgreSQL 15; not to be edited."]
    for array, names in arrays.items():
        lines += ["", f"constexpr std::string_view {array}[] = {{"]
        line = "   "
        for name in names:
            if len(line) + len(name) + 4 > 100:
                lines.append(line)
                line = "   "
            line += f' "{name}",'
        lines += [line, "};"]
    return "\n".join(lines) + "\n"


def ask_psql(sql):
    out = subprocess.run(["psql", "-XAtqF", "\t", "-v", "ON_ERROR_STOP=1", "-d", "postgres", "-c", sql], check=True,
                         stdout=subprocess.PIPE, text=True).stdout
    return [line.split("\t") for line in out.splitlines()]


if __name__ == "__main__":
    if not ask_psql("show server_version")[0][0].startswith("15"):
        sys.exit("builtin_names: the lists are those of PostgreSQL 15, as the parser is")
    sys.stdout.write(render(lists(ask_psql)))
