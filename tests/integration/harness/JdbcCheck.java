// What JDBC programs do, one method for each kind; every answer is checked. Arguments: URL, user, and "session" when the pool mode keeps a session.
// Prints the names of what was checked.
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.StringReader;
import java.io.StringWriter;
import java.nio.ByteBuffer;
import java.sql.Array;
import java.sql.BatchUpdateException;
import java.sql.CallableStatement;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.sql.Timestamp;
import java.sql.Types;
import java.util.Arrays;
import java.util.Properties;
import java.util.concurrent.atomic.AtomicReference;
import javax.sql.XAConnection;
import javax.transaction.xa.XAResource;
import javax.transaction.xa.Xid;
import org.postgresql.PGConnection;
import org.postgresql.PGNotification;
import org.postgresql.copy.CopyManager;
import org.postgresql.copy.CopyOut;
import org.postgresql.largeobject.LargeObject;
import org.postgresql.largeobject.LargeObjectManager;
import org.postgresql.replication.PGReplicationStream;
import org.postgresql.xa.PGXADataSource;

public class JdbcCheck {
    static String url, user;

    static Connection connect(String... more) throws SQLException {
        Properties p = new Properties();
        p.setProperty("user", user);
        for (int i = 0; i < more.length; i += 2) p.setProperty(more[i], more[i + 1]);
        return DriverManager.getConnection(url, p);
    }

    static void check(Object expected, Object actual) {
        if (!String.valueOf(expected).equals(String.valueOf(actual))) throw new AssertionError("expected " + expected + ", got " + actual);
    }

    static Object one(Connection c, String sql) throws SQLException {
        try (Statement s = c.createStatement(); ResultSet r = s.executeQuery(sql)) {
            r.next();
            return r.getObject(1);
        }
    }

    static void run(Connection c, String... statements) throws SQLException {
        try (Statement s = c.createStatement()) {
            for (String sql : statements) s.execute(sql);
        }
    }

    // Prepared on the server from the fifth time on, in each query mode.
    static void statements() throws Exception {
        for (String mode : new String[] {"simple", "extended", "extendedForPrepared", "extendedCacheEverything"}) {
            try (Connection c = connect("preferQueryMode", mode); PreparedStatement s = c.prepareStatement("select ? + 1, ?::text, ?::timestamp")) {
                for (int i = 0; i < 20; ++i) {
                    s.setInt(1, i);
                    s.setString(2, "it's " + i);
                    s.setTimestamp(3, Timestamp.valueOf("2020-02-29 12:34:56.789"));
                    try (ResultSet r = s.executeQuery()) {
                        r.next();
                        check(i + 1, r.getInt(1));
                        check("it's " + i, r.getString(2));
                        check("2020-02-29 12:34:56.789", r.getTimestamp(3));
                    }
                }
            }
        }
    }

    static void batches() throws Exception {
        for (String rewrite : new String[] {"false", "true"}) {
            try (Connection c = connect("reWriteBatchedInserts", rewrite)) {
                run(c, "drop table if exists jb", "create table jb (id int primary key, t text)");
                c.setAutoCommit(false);
                try (PreparedStatement s = c.prepareStatement("insert into jb values (?, ?)")) {
                    for (int i = 0; i < 1000; ++i) {
                        s.setInt(1, i);
                        s.setString(2, "row " + i);
                        s.addBatch();
                    }
                    check(1000, s.executeBatch().length);
                }
                c.commit();
                check(1000L, one(c, "select count(*) from jb"));
                try (Statement s = c.createStatement()) {
                    s.addBatch("update jb set t = 'x' where id < 10");
                    s.addBatch("insert into jb values (5, 'twice')");
                    s.addBatch("delete from jb");
                    s.executeBatch();
                    throw new AssertionError("the batch should have failed");
                } catch (BatchUpdateException e) {
                    check("23505", e.getSQLState());
                }
                c.rollback();
                check(1000L, one(c, "select count(*) from jb"));
                c.commit();
                run(c, "drop table jb");
                c.commit();
            }
        }
    }

    static void cursors() throws Exception {
        try (Connection c = connect()) {
            c.setAutoCommit(false);
            for (int size : new int[] {1, 50, 333}) {
                try (PreparedStatement s = c.prepareStatement("select n from generate_series(1, 1000) n order by n")) {
                    s.setFetchSize(size);
                    int expected = 0;
                    try (ResultSet r = s.executeQuery()) {
                        while (r.next()) check(++expected, r.getInt(1));
                    }
                    check(1000, expected);
                }
            }
            c.commit();
            try (Statement s = c.createStatement(ResultSet.TYPE_SCROLL_INSENSITIVE, ResultSet.CONCUR_READ_ONLY);
                 ResultSet r = s.executeQuery("select n from generate_series(1, 10) n")) {
                r.last();
                check(10, r.getInt(1));
                r.absolute(3);
                check(3, r.getInt(1));
            }
            c.commit();
        }
    }

    static void copies() throws Exception {
        try (Connection c = connect()) {
            run(c, "drop table if exists jc", "create table jc (a int, b text)");
            CopyManager copy = c.unwrap(PGConnection.class).getCopyAPI();
            StringBuilder in = new StringBuilder();
            for (int i = 0; i < 20000; ++i) in.append(i).append("\ttext ").append(i).append('\n');
            check(20000L, copy.copyIn("copy jc from stdin", new StringReader(in.toString())));
            StringWriter out = new StringWriter();
            check(20000L, copy.copyOut("copy (select * from jc order by a) to stdout", out));
            check(in.toString().hashCode(), out.toString().hashCode());
            try {
                copy.copyIn("copy jc from stdin", new StringReader("not a number\tx\n"));
                throw new AssertionError("the copy should have failed");
            } catch (SQLException e) {
                check("22P02", e.getSQLState());
            }
            CopyOut stepwise = copy.copyOut("copy (select repeat('x', 1000) from generate_series(1, 1000)) to stdout");
            int rows = 0;
            while (stepwise.readFromCopy() != null) ++rows;
            check(1000, rows);
            check(20000L, one(c, "select count(*) from jc"));
            run(c, "drop table jc");
        }
    }

    static void largeObjects() throws Exception {
        byte[] data = new byte[300000];
        new java.util.Random(1).nextBytes(data);
        try (Connection c = connect()) {
            c.setAutoCommit(false);
            LargeObjectManager manager = c.unwrap(PGConnection.class).getLargeObjectAPI();
            long oid = manager.createLO(LargeObjectManager.READWRITE);
            LargeObject object = manager.open(oid, LargeObjectManager.WRITE);
            object.write(data);
            object.close();
            c.commit();
            object = manager.open(oid, LargeObjectManager.READ);
            check(data.length, object.size());
            object.seek(100000);
            check(Arrays.hashCode(Arrays.copyOfRange(data, 100000, 100100)), Arrays.hashCode(object.read(100)));
            object.close();
            manager.delete(oid);
            c.commit();
        }
    }

    static void cancels() throws Exception {
        try (Connection c = connect(); Statement s = c.createStatement(); Connection other = connect()) {
            for (int turn = 0; turn < 3; ++turn) {
                AtomicReference<SQLException> got = new AtomicReference<>();
                Thread t = new Thread(() -> {
                    try {
                        s.execute("select pg_sleep(60)");
                    } catch (SQLException e) {
                        got.set(e);
                    }
                });
                t.start();
                // The driver cancels a statement once, and before it has arrived there is nothing to be cancelled.
                String running = "select count(*)::int from pg_stat_activity where query = 'select pg_sleep(60)' and state = 'active'";
                while (!one(other, running).equals(1)) Thread.sleep(10);
                s.cancel();
                t.join();
                check("57014", got.get().getSQLState());
                check(1, one(c, "select 1"));
            }
            s.setQueryTimeout(1);
            try {
                s.execute("select pg_sleep(60)");
                throw new AssertionError("the query should have been cancelled");
            } catch (SQLException e) {
                check("57014", e.getSQLState());
            }
            check(1, one(c, "select 1"));
        }
    }

    static void transactions() throws Exception {
        try (Connection c = connect()) {
            run(c, "drop table if exists jt", "create table jt (id serial primary key, t text)");
            c.setAutoCommit(false);
            c.setTransactionIsolation(Connection.TRANSACTION_SERIALIZABLE);
            run(c, "insert into jt (t) values ('a')");
            Savepoint point = c.setSavepoint("here");
            try {
                run(c, "select 1/0");
                throw new AssertionError("no error");
            } catch (SQLException e) {
                check("22012", e.getSQLState());
            }
            c.rollback(point);
            check("serializable", one(c, "show transaction_isolation"));
            try (PreparedStatement s = c.prepareStatement("insert into jt (t) values (?)", Statement.RETURN_GENERATED_KEYS)) {
                s.setString(1, "b");
                s.executeUpdate();
                try (ResultSet r = s.getGeneratedKeys()) {
                    r.next();
                    check(2, r.getInt(1));
                }
            }
            c.commit();
            check(2L, one(c, "select count(*) from jt"));
            c.rollback();
            c.setReadOnly(true);
            try {
                run(c, "delete from jt");
                throw new AssertionError("it was not read-only");
            } catch (SQLException e) {
                check("25006", e.getSQLState());
            }
            c.rollback();
            c.setReadOnly(false);
            run(c, "drop table jt");
            c.commit();
        }
    }

    static void types() throws Exception {
        try (Connection c = connect()) {
            run(c, "create or replace function jf(a int, out b int, out t text) language sql as 'select a * 2, a::text'");
            try (CallableStatement s = c.prepareCall("{call jf(?, ?, ?)}")) {
                s.setInt(1, 21);
                s.registerOutParameter(2, Types.INTEGER);
                s.registerOutParameter(3, Types.VARCHAR);
                s.execute();
                check(42, s.getInt(2));
                check("21", s.getString(3));
            }
            try (PreparedStatement s = c.prepareStatement("select ?::int[], ?::bytea, ?::numeric, ?::uuid, ?::json")) {
                Array array = c.createArrayOf("int4", new Object[] {1, 2, null});
                byte[] bytes = {0, 1, 2, -1};
                for (int i = 0; i < 8; ++i) {
                    s.setArray(1, array);
                    s.setBytes(2, bytes);
                    s.setBigDecimal(3, new java.math.BigDecimal("12345678901234567890.123"));
                    s.setObject(4, java.util.UUID.fromString("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"));
                    s.setString(5, "{\"a\": 1}");
                    try (ResultSet r = s.executeQuery()) {
                        r.next();
                        check("[1, 2, null]", Arrays.toString((Object[]) r.getArray(1).getArray()));
                        check(Arrays.toString(bytes), Arrays.toString(r.getBytes(2)));
                        check("12345678901234567890.123", r.getBigDecimal(3));
                        check("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", r.getObject(4));
                        check("{\"a\": 1}", r.getString(5));
                    }
                }
            }
            int tables = 0;
            try (ResultSet r = c.getMetaData().getTables(null, "pg_catalog", "pg_cl%", null)) {
                while (r.next()) ++tables;
            }
            check(true, tables >= 1);
            check(true, c.isValid(10));
            run(c, "drop function jf");
        }
    }

    static void notifications() throws Exception {
        try (Connection listener = connect(); Connection sender = connect()) {
            run(listener, "listen jdbc");
            for (int i = 0; i < 3; ++i) {
                run(sender, "notify jdbc, 'number " + i + "'");
                PGNotification[] got = listener.unwrap(PGConnection.class).getNotifications(20000);
                check("number " + i, got[0].getParameter());
            }
        }
    }

    static class Id implements Xid {
        final byte[] global;
        Id(String text) { global = text.getBytes(); }
        public int getFormatId() { return 1; }
        public byte[] getGlobalTransactionId() { return global; }
        public byte[] getBranchQualifier() { return new byte[] {1}; }
    }

    static void twoPhases() throws Exception {
        PGXADataSource source = new PGXADataSource();
        source.setUrl(url);
        source.setUser(user);
        try (Connection c = connect()) {
            run(c, "drop table if exists jx", "create table jx (a int)");
            for (boolean commits : new boolean[] {true, false}) {
                XAConnection xa = source.getXAConnection();
                XAResource resource = xa.getXAResource();
                Xid id = new Id("weir " + commits);
                resource.start(id, XAResource.TMNOFLAGS);
                run(xa.getConnection(), "insert into jx values (1)");
                resource.end(id, XAResource.TMSUCCESS);
                check(XAResource.XA_OK, resource.prepare(id));
                check(1, resource.recover(XAResource.TMSTARTRSCAN).length);
                if (commits) resource.commit(id, false); else resource.rollback(id);
                xa.close();
            }
            check(1L, one(c, "select count(*) from jx"));
            run(c, "drop table jx");
        }
    }

    // As change data capture does it.
    static void replicates() throws Exception {
        try (Connection c = connect("replication", "database", "assumeMinServerVersion", "9.4", "preferQueryMode", "simple"); Connection normal = connect()) {
            run(normal, "drop table if exists jr", "create table jr (a int, t text)");
            PGConnection pg = c.unwrap(PGConnection.class);
            pg.getReplicationAPI().createReplicationSlot().logical().withSlotName("jdbc").withOutputPlugin("test_decoding").withTemporaryOption().make();
            run(normal, "insert into jr select n, repeat('x', 1000) from generate_series(1, 2000) n");
            PGReplicationStream stream = pg.getReplicationAPI().replicationStream().logical().withSlotName("jdbc").withSlotOption("skip-empty-xacts", true)
                .withStatusInterval(100, java.util.concurrent.TimeUnit.MILLISECONDS).start();
            int rows = 0;
            while (rows < 2000) {
                ByteBuffer message = stream.read();
                String text = new String(message.array(), message.arrayOffset(), message.remaining());
                if (text.contains("INSERT")) ++rows;
            }
            check(2000, rows);
            stream.setFlushedLSN(stream.getLastReceiveLSN());
            stream.forceUpdateStatus();
            stream.close();
            run(normal, "drop table jr");
        }
    }

    interface Work { void run() throws Exception; }

    static void step(String name, Work work) throws Exception {
        try {
            work.run();
        } catch (Exception | AssertionError e) {
            System.err.println("in " + name);
            throw e;
        }
        System.out.println(name);
    }

    public static void main(String[] args) throws Exception {
        url = args[0];
        user = args[1];
        if (args.length > 2 && args[2].equals("replication")) {
            step("replication", JdbcCheck::replicates);
            return;
        }
        step("statements", JdbcCheck::statements);
        step("batches", JdbcCheck::batches);
        step("cursors", JdbcCheck::cursors);
        step("copies", JdbcCheck::copies);
        step("large objects", JdbcCheck::largeObjects);
        step("cancels", JdbcCheck::cancels);
        step("transactions", JdbcCheck::transactions);
        step("types", JdbcCheck::types);
        step("two phases", JdbcCheck::twoPhases);
        if (args.length > 2) step("notifications", JdbcCheck::notifications);
    }
}
