// A HikariCP pool whose threads ask for connections without a pause while the pooler in front of
// PostgreSQL rejects and delays. Counts what the pool does to its connections: it must not throw
// one away because of a limit. Arguments: JDBC URL, user, seconds, connections.
// Prints `name=number` for each count.
import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicLong;
import javax.sql.DataSource;
import org.postgresql.ds.PGSimpleDataSource;

public class PoolStorm {
    static final AtomicLong created = new AtomicLong(), closed = new AtomicLong();
    static final AtomicLong checks = new AtomicLong(), failedChecks = new AtomicLong();
    static final AtomicLong ok = new AtomicLong(), rejected = new AtomicLong(), others = new AtomicLong();
    static volatile boolean isOver = false;

    // The driver's connection, with its checks and its end counted.
    static Connection counted(Connection inner) {
        return (Connection) Proxy.newProxyInstance(
            PoolStorm.class.getClassLoader(), new Class<?>[] {Connection.class}, (proxy, method, arguments) -> {
                Object result;
                try {
                    result = method.invoke(inner, arguments);
                } catch (InvocationTargetException e) {
                    throw e.getCause();
                }
                if (method.getName().equals("isValid")) {
                    checks.incrementAndGet();
                    if (!(Boolean) result) failedChecks.incrementAndGet();
                }
                boolean isEnd = method.getName().equals("close") || method.getName().equals("abort");
                if (isEnd && !isOver) closed.incrementAndGet();
                return result;
            });
    }

    static DataSource counted(PGSimpleDataSource inner) {
        return (DataSource) Proxy.newProxyInstance(
            PoolStorm.class.getClassLoader(), new Class<?>[] {DataSource.class}, (proxy, method, arguments) -> {
                try {
                    Object result = method.invoke(inner, arguments);
                    if (!method.getName().equals("getConnection")) return result;
                    created.incrementAndGet();
                    return counted((Connection) result);
                } catch (InvocationTargetException e) {
                    throw e.getCause();
                }
            });
    }

    static void work(HikariDataSource pool, int number, long until) {
        while (System.nanoTime() < until) {
            try (Connection connection = pool.getConnection()) {
                connection.setAutoCommit(number % 2 == 0);
                try (PreparedStatement statement = connection.prepareStatement("select ? + 1 from pg_sleep(0.05)")) {
                    statement.setInt(1, number);
                    try (ResultSet rows = statement.executeQuery()) {
                        rows.next();
                        if (rows.getInt(1) != number + 1) throw new SQLException("a wrong answer", "XX000");
                    }
                }
                if (!connection.getAutoCommit()) connection.commit();
                ok.incrementAndGet();
            } catch (SQLException e) {
                if ("53400".equals(e.getSQLState())) {
                    rejected.incrementAndGet();
                } else {
                    others.incrementAndGet();
                    e.printStackTrace();
                }
            }
            if (ThreadLocalRandom.current().nextInt(10) != 0) continue;
            try {
                Thread.sleep(250);  // long enough for the pool to check the connection that it hands out next
            } catch (InterruptedException e) {
                return;
            }
        }
    }

    public static void main(String[] arguments) throws Exception {
        final int size = Integer.parseInt(arguments[3]);
        PGSimpleDataSource driver = new PGSimpleDataSource();
        driver.setUrl(arguments[0]);
        driver.setUser(arguments[1]);
        HikariConfig config = new HikariConfig();
        config.setDataSource(counted(driver));
        config.setMaximumPoolSize(size);
        config.setMinimumIdle(size);
        config.setConnectionTimeout(60_000);
        config.setInitializationFailTimeout(-1);
        try (HikariDataSource pool = new HikariDataSource(config)) {
            // Everything is there before the storm begins.
            for (int tries = 0; pool.getHikariPoolMXBean().getTotalConnections() < size && tries < 6000; ++tries)
                Thread.sleep(10);
            System.out.println("size=" + pool.getHikariPoolMXBean().getTotalConnections());
            created.set(pool.getHikariPoolMXBean().getTotalConnections());
            closed.set(0);
            final long until = System.nanoTime() + (long) (Double.parseDouble(arguments[2]) * 1e9);
            Thread[] threads = new Thread[size];
            for (int i = 0; i < threads.length; ++i) {
                final int number = i;
                threads[i] = new Thread(() -> work(pool, number, until));
                threads[i].start();
            }
            for (Thread thread : threads) thread.join();
            isOver = true;
        }
        System.out.println("created=" + created + "\nclosed=" + closed + "\nchecks=" + checks + "\nfailed_checks=" + failedChecks
                           + "\nok=" + ok + "\nrejected=" + rejected + "\nother_errors=" + others);
    }
}
