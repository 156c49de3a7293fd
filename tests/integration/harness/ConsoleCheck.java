import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;

/** The console by JDBC: java ConsoleCheck URL. Prints what it read, one `name value` a line. */
public class ConsoleCheck {
    public static void main(String[] arguments) throws SQLException {
        try (Connection connection = DriverManager.getConnection(arguments[0])) {
            try (Statement statement = connection.createStatement();
                    ResultSet pools = statement.executeQuery("SHOW POOLS")) {
                while (pools.next()) {
                    System.out.println("pool " + pools.getString("database") + "/" + pools.getString("user") + " "
                            + pools.getInt("cl_active"));
                }
            }
            try (PreparedStatement statement = connection.prepareStatement("SHOW STATS")) {
                // The driver prepares on the server from the fifth time on.
                for (int i = 0; i < 7; ++i) {
                    try (ResultSet stats = statement.executeQuery()) {
                        while (stats.next()) {
                            if (i == 6) {
                                System.out.println("stats " + stats.getString("database") + " "
                                        + stats.getBigDecimal("total_query_count"));
                            }
                        }
                    }
                }
            }
            try (Statement statement = connection.createStatement()) {
                statement.execute("RECONNECT");
                try {
                    statement.execute("PAUSE nosuch");
                } catch (SQLException e) {
                    System.out.println("error " + e.getSQLState());
                }
            }
        }
    }
}
