#include "tests/support/login_rig.h"

#include <algorithm>
#include <utility>

#include "conf/logging.h"
#include "protocol/base/check.h"
#include "protocol/message/startup.h"

namespace weir::sim {

std::shared_ptr<Config> make_login_config() {
    auto out = std::make_shared<Config>();
    out->global.auth_type = AuthType::ScramSha256;
    out->global.scram_iterations = 2;
    out->global.client_login_timeout = std::chrono::seconds(60);
    out->secrets["u"] = "secret";
    DatabaseConfig database;
    database.name = database.dbname = "db";
    database.hosts = {"10.0.0.1"};
    out->databases["db"] = database;
    return out;
}

LoginRig::LoginRig(ConfigPtr config)
    : config_(std::move(config)),
      pools_(1, endpoints_, 1),
      names_(config_->global.track_extra_parameters),
      shared_{
          .pools = pools_, .exchange = *this, .hosts = hosts_, .names = names_, .clock = clock_},
      worker_(0, shared_, io_, config_) {
    log::detail::threshold.store(LogLevel::Fatal);
    worker_.set_now(clock_.now());
    pools_.configure(*config_);
    know_server("db", "u");
}

LoginRig::~LoginRig() {
    WorkerMessage message;
    message.kind = WorkerMessage::Kind::Stop;
    worker_.on_message(message);
}

void LoginRig::know_server(const std::string& database, const std::string& user) {
    const std::optional<DatabaseConfig> entry = config_->find_database(database);
    if (!entry) return;
    PoolGroup& group = pools_.find_or_create(*config_, *entry, user);
    WEIR_CHECK(group.intern({{{"server_version", "15.1"}, {"client_encoding", "UTF8"}}}) !=
               nullptr);
}

LinkPtr LoginRig::connect(const std::string& address) {
    LinkPtr link = net_.make(false, 0);
    links_.push_back(link);
    WorkerMessage message;
    message.kind = WorkerMessage::Kind::NewClient;
    message.fd = link->fd;
    message.address = address == "unix" ? *Address::from_unix("/tmp/.s.PGSQL.6432")
                                        : *Address::from_ip(address, 4000);
    worker_.on_message(message);
    return link;
}

void LoginRig::start(Link& client, const std::string& user, const std::string& database) {
    send(client, make_startup_message({{"user", user}, {"database", database}}));
}

void LoginRig::send(Link& client, std::string bytes) {
    client.peer_send(bytes);
    run();
}

std::string LoginRig::received(Link& client) {
    run();
    return std::exchange(client.to_peer, {});
}

void LoginRig::hang_up(Link& client) {
    client.to_peer.clear();
    client.peer_close();
    run();
}

void LoginRig::deliver(LoginAnswer answer) {
    WorkerMessage message;
    message.kind = WorkerMessage::Kind::LoginAnswer;
    message.answer = std::make_shared<LoginAnswer>(std::move(answer));
    inbox_.push_back(std::move(message));
    run();
}

void LoginRig::set_config(ConfigPtr config) {
    config_ = config;
    pools_.configure(*config_);
    WorkerMessage message;
    message.kind = WorkerMessage::Kind::ConfigChanged;
    message.config = std::move(config);
    inbox_.push_back(std::move(message));
    run();
}

void LoginRig::pass(Duration time) {
    clock_.advance(time.count());
    worker_.set_now(clock_.now());
    worker_.on_time();
    run();
}

bool LoginRig::fly() {
    bool did = false;
    for (const LinkPtr& link : links_)
        did |= link->fly(random_, true);
    std::erase_if(links_, [](const LinkPtr& link) { return link->is_proxy_closed; });
    return did;
}

void LoginRig::run() {
    std::vector<IoEvent> events;
    for (int rounds = 0; rounds < 1000; ++rounds) {
        bool did = fly();
        for (WorkerMessage& message : std::exchange(inbox_, {})) {
            worker_.on_message(message);
            did = true;
        }
        events.clear();
        io_.fetch(events, 100);
        for (const IoEvent& event : events)
            worker_.on_event(event, false);
        if (!did && events.empty()) return;
    }
    trace_.fail("the worker does not come to rest");
}

}  // namespace weir::sim
