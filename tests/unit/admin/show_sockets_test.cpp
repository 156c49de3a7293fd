// Goal: SHOW SOCKETS, ACTIVE_SOCKETS and FDS list every connection once, with its buffers and its
// descriptor. Method: snapshots made up, descriptors of a pipe.
#include <doctest/doctest.h>
#include <unistd.h>

#include "console_fixture.h"

namespace weir::show_sockets_test {
namespace {

using namespace console_test;

ClientRow client_row(uint64_t id, const char* state, const std::string& database,
                     const std::string& user) {
    ClientRow row;
    row.id = id;
    row.user = user;
    row.database = database;
    row.addr = "10.0.0.9";
    row.state = state;
    return row;
}

ServerRow server_row(uint64_t id, const char* state, const std::string& database) {
    ServerRow row;
    row.id = id;
    row.user = "bob";
    row.database = database;
    row.addr = "10.0.0.1";
    row.port = 5432;
    row.state = state;
    return row;
}

std::string listed(const Answer& answer) {
    std::string out;
    for (size_t i = 0; i < answer.rows.size(); ++i) {
        out += (out.empty() ? "" : " ") + answer.cell(i, "database") + "/" +
               answer.cell(i, "state") + "/" + answer.cell(i, "id");
    }
    return out;
}

TEST_CASE("SHOW SOCKETS goes pool by pool, logins last; SHOW ACTIVE_SOCKETS has the busy ones") {
    Fixture f;
    ClientRow login = client_row(9, "idle", "", "");
    login.is_login = true;
    login.buffers.held = 3;
    ClientRow busy = client_row(4, "active", "app", "bob");
    busy.buffers = {.held = 7, .message = 100, .unsent = 20};
    f.inspector.picture[0].clients = {login, client_row(6, "waiting", "my-db", "bob"), busy};
    f.inspector.picture[1].clients = {client_row(1, "idle", "app", "bob")};
    f.inspector.picture[0].servers = {server_row(8, "new", "my-db"),
                                      server_row(5, "active", "app")};
    f.inspector.picture[1].servers = {server_row(7, "tested", "app")};
    const Answer all = f.run("SHOW SOCKETS");
    CHECK(all.columns.size() == 28);
    CHECK(listed(all) ==
          "app/cl_active/1 app/cl_active/4 app/sv_active/5 app/sv_tested/7 my-db/cl_waiting/6 "
          "my-db/sv_login/8 (nodb)/cl_login/9");
    CHECK(all.cell(6, "user") == "(nouser)");
    const Answer active = f.run("SHOW ACTIVE_SOCKETS");
    CHECK(listed(active) == "app/cl_active/4 (nodb)/cl_login/9");
    CHECK(active.cell(0, "recv_pos") == "7");
    CHECK(active.cell(0, "pkt_pos") == "0");
    CHECK(active.cell(0, "pkt_remain") == "100");
    CHECK(active.cell(0, "send_pos") == "0");
    CHECK(active.cell(0, "send_remain") == "0");
    CHECK(active.cell(0, "pkt_avail") == "7");
    CHECK(active.cell(0, "send_avail") == "20");
}

SocketDetails details(int number, std::shared_ptr<const Descriptor> descriptor) {
    SocketDetails out;
    out.number = number;
    out.descriptor = std::move(descriptor);
    out.cancel_key = 0x0102030405060708;
    out.client_encoding = "UTF8";
    return out;
}

TEST_CASE("SHOW FDS passes a descriptor with each row, but of the console, of TLS, and of none") {
    Fixture f;
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    const auto descriptor = Descriptor::duplicate(ends[0]);
    f.inspector.listening = {{descriptor, 3, "unix", 6432}};
    ClientRow plain = client_row(1, "idle", "app", "bob");
    plain.details = details(11, descriptor);
    plain.details->link = 12;
    ClientRow console = client_row(2, "idle", "pgbouncer", "admin");
    console.is_console = true;
    console.details = details(13, descriptor);
    ClientRow secret = client_row(3, "idle", "app", "eve");
    secret.tls = "TLSv1.3";
    secret.details = details(14, descriptor);
    ServerRow server = server_row(4, "active", "app");
    server.details = details(12, nullptr);
    ClientRow half = client_row(6, "active", "app", "eve");  // its server has TLS
    half.details = details(15, descriptor);
    half.details->link = 16;
    ServerRow secured = server_row(7, "active", "app");
    secured.tls = "TLSv1.3";
    secured.details = details(16, descriptor);
    secured.details->link = 15;
    ServerRow unconnected = server_row(5, "new", "app");
    unconnected.details = details(-1, nullptr);
    f.inspector.picture[0].clients = {plain, console, secret, half};
    f.inspector.picture[0].servers = {server, unconnected, secured};
    const Answer answer = f.run("SHOW FDS");
    CHECK(f.inspector.were_details_asked);
    CHECK(answer.column_types ==
          std::vector<uint32_t>{23, 25, 25, 25, 25, 23, 20, 23, 25, 25, 25, 25, 25, 17, 17});
    REQUIRE(answer.rows.size() == 3);
    CHECK(answer.rows[0] == Texts{"3", "pooler", std::nullopt, std::nullopt, "unix", "6432", "0",
                                  "0", std::nullopt, std::nullopt, std::nullopt, std::nullopt,
                                  std::nullopt, std::nullopt, std::nullopt});
    CHECK(answer.rows[1] == Texts{"11", "client", "bob", "app", "10.0.0.9", "0",
                                  "72623859790382856", "12", "UTF8", std::nullopt, std::nullopt,
                                  std::nullopt, std::nullopt, std::nullopt, std::nullopt});
    CHECK(answer.rows[2].at(1) == "server");
    // With the rows of the listener and the client, behind the columns.
    REQUIRE(f.attached.size() == 2);
    CHECK(f.attached[0].at == 5 + answer.bodies[0].size());
    CHECK(f.attached[1].at == 2 * 5 + answer.bodies[0].size() + answer.bodies[1].size());
    ::close(ends[0]);
    ::close(ends[1]);
}

TEST_CASE("only SHOW FDS asks for descriptors") {
    Fixture f;
    f.inspector.were_details_asked = true;
    f.run("SHOW SOCKETS");
    CHECK_FALSE(f.inspector.were_details_asked);
}

}  // namespace
}  // namespace weir::show_sockets_test
