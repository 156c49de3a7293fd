"""What the read-only proof takes for granted about PostgreSQL: its list of built-in names, and that whatever the unit tests call
read-only can be asked of a real standby. No pooler is involved."""
import pathlib
import sys
import unittest

from harness import wire
from harness.case import Case, replicated

SUPPORT = pathlib.Path(__file__).resolve().parents[1] / "support"
sys.path.insert(0, str(SUPPORT))
import builtin_names  # noqa: E402

SCHEMA = """
create table users(id int primary key, name text, email text, state int, created_at timestamptz default now(), deleted_at timestamptz,
    tags text[], data jsonb, doc xml, search tsvector, amount numeric);
create table orders(id int, user_id int, total numeric, at date);
create table items(id int, order_id int, price numeric);
create table "Odd Name"("Col Ä" int);
insert into users values (1, 'ann', 'a@x', 1, now(), null, '{a,b}', '{"a": 1}', '<a/>', 'x', 1.5), (2, 'bob', null, 2, now(), now(), '{}', '{}', '<b/>', 'y', 2);
insert into orders values (1, 1, 10, '2024-01-01'), (2, 1, 20, null);
insert into items values (1, 1, 5);
"""


def corpus():
    """(verdict, statement) of each row of read_only_corpus.txt."""
    for line in (SUPPORT / "read_only_corpus.txt").read_text().splitlines():
        verdict, tab, text = line.partition("\t")
        if tab and not line.startswith("#"):
            parts = text.split("\\\\")
            yield verdict, "\\".join(p.replace("\\n", "\n").replace("\\t", "\t") for p in parts)


class Names(Case):
    def test_the_list_is_that_of_the_catalog(self):
        version = int(self.pg.one("show server_version_num"))
        if version // 10000 != 15:
            self.skipTest("the list is that of PostgreSQL 15")
        with self.pg.connect() as c:
            made = builtin_names.render(builtin_names.lists(lambda sql: c.run(sql).check().rows))
        kept = (SUPPORT.parents[1] / "proxy/routing/builtin_names.inc").read_text()
        self.assertEqual(made, kept, "tests/support/builtin_names.py makes it anew")


class Corpus(Case):
    make_cluster = staticmethod(replicated)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.database = cls.pg.take_database()
        cls.addClassCleanup(cls.pg.give_database, cls.database)
        with cls.pg.primary.connect(database=cls.database) as c:
            c.sql(SCHEMA)
        cls.pg.wait_in_sync()

    def run_all(self, server, verdicts, before=""):
        """Runs each statement of these verdicts, and asserts that none fails."""
        count = 0
        with server.connect(database=self.database) as c:
            for verdict, sql in corpus():
                if verdict not in verdicts or "$1" in sql:
                    continue
                with self.subTest(sql=sql):
                    c.run(before)
                    self.assertEqual([(e.code, e.message) for e in c.run(sql).errors], [])
                    count += 1
                c.run("rollback")
        return count

    def test_read_only_on_a_standby(self):
        standby = self.pg.servers[self.pg.replicas[0]]
        self.assertGreater(self.run_all(standby, ("read_only", "block")), 150)

    def test_read_only_in_a_read_only_block_of_the_primary(self):
        self.assertGreater(self.run_all(self.pg.primary, ("read_only", "block"), "begin read only"), 150)

    def test_a_standby_refuses_what_writes(self):
        with self.pg.servers[self.pg.replicas[0]].connect(database=self.database) as c:
            for sql in ("delete from users", "select * from users for update", "select 1 into x", "with d as (delete from users) select 1"):
                with self.assertRaises(wire.PgError) as caught:
                    c.sql(sql)
                self.assertEqual(caught.exception.code, "25006", sql)


if __name__ == "__main__":
    unittest.main()
