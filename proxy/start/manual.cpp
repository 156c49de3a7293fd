#include "proxy/start/manual.h"

#include "conf/roff.h"
#include "proxy/start/command_line.h"

namespace weir {

namespace {

std::string options() {
    std::string out = roff_heading("options");
    for (const CommandLineOption& option : command_line_options()) {
        std::string term;
        if (option.has_letter()) term = std::string("-") + static_cast<char>(option.value) + ", ";
        term += std::string("--") + option.name;
        if (option.argument != nullptr) term += '=';
        std::string doc = option.doc;
        doc.front() = static_cast<char>(doc.front() - 'a' + 'A');
        out += roff_item(term, option.argument == nullptr ? "" : option.argument, doc + ".");
    }
    return out;
}

std::string signals() {
    return roff_heading("signals") +
           roff_item("HUP", "", "Read the configuration again, and open log files anew.") +
           roff_item("TERM", "",
                     "Take no more clients, and end when the last one has left (or, with "
                     "`shutdown_drain`, between transactions). A second one ends at once.") +
           roff_item("INT", "",
                     "Take no more clients, let transactions end, and end. A second one ends at "
                     "once.") +
           roff_item("QUIT", "", "End at once.") +
           roff_item("USR1", "", "PAUSE, as on the console.") +
           roff_item("USR2", "", "RESUME, as on the console.");
}

}  // namespace

std::string render_weir_manual() {
    return roff_title("weir", 1, "connection pooler for PostgreSQL") + roff_heading("synopsis") +
           "\\fBweir\\fR [\\fIOPTION\\fR]... \\fICONFIG_FILE\\fR\n.br\n"
           "\\fBweir\\fR --verify-log \\fIFILE\\fR...\n" +
           roff_heading("description") +
           roff_paragraph(
               "weir accepts connections of PostgreSQL clients and serves many of them "
               "with few connections to PostgreSQL, on all cores. It reads a "
               "configuration written for PgBouncer as it is, and has PgBouncer's "
               "options, signals and console. It does not run as root.") +
           roff_paragraph(
               "The console is the database `pgbouncer`: `SHOW HELP` there tells its "
               "commands. Users are let in whom `admin_users` or `stats_users` name.") +
           options() + signals() + roff_heading("exit status") +
           roff_paragraph(
               "0 after an orderly end, whichever signal asked for it; 1 when it could "
               "not start or go on, or when the command line or, with --check-config or "
               "--explain-config, "
               "the configuration has errors.") +
           roff_heading("environment") +
           roff_item("NOTIFY_SOCKET, WATCHDOG_USEC, LISTEN_FDS, LISTEN_PID, JOURNAL_STREAM", "",
                     "Set by systemd for a service: who is told of the state, how often, which "
                     "sockets are open already, and whether standard error is the journal.") +
           roff_heading("files") +
           roff_item("/etc/weir/weir.ini", "", "The configuration, when installed as a package.") +
           roff_item("/etc/weir/userlist.txt", "", "Users and their secrets (`auth_file`).") +
           roff_heading("examples") +
           roff_example(
               "weir --check-config /etc/pgbouncer/pgbouncer.ini\n"
               "weir --explain-config /etc/pgbouncer/pgbouncer.ini\n"
               "weir -d /etc/weir/weir.ini\n"
               "weir -R -d /etc/weir/weir.ini\n"
               "psql -h 127.0.0.1 -p 6432 pgbouncer") +
           roff_heading("see also") + ".BR weir.ini (5),\n.BR psql (1)\n";
}

}  // namespace weir
