#include "admin/explain/review.h"

#include <sched.h>
#include <spdlog/fmt/fmt.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <fstream>

#include "conf/host.h"
#include "conf/value.h"

namespace weir {

namespace {

std::optional<unsigned> mode_of(const std::string& path) {
    struct stat status {};
    if (stat(path.c_str(), &status) != 0) return {};
    return status.st_mode & 07777U;
}

}  // namespace

Surroundings look_around() {
    Surroundings around;
    rlimit limit{};
    constexpr rlim_t kMost = 1'000'000'000;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        around.open_files = static_cast<long>(std::min(limit.rlim_max, kMost));
    cpu_set_t cores;
    if (sched_getaffinity(0, sizeof cores, &cores) == 0) around.cores = CPU_COUNT(&cores);
    std::ifstream("/proc/sys/net/core/somaxconn") >> around.backlog_most;
    around.mode_of = mode_of;
    return around;
}

IniPlace Review::place_of(const std::string& section, const std::string& name) const {
    const auto at = places.find({section, name});
    return at == places.end() ? IniPlace{path, 0} : at->second;
}

bool Review::says(const std::string& section, const std::string& name) const {
    return places.contains({section, name});
}

std::string Review::source_of(const std::string& section, const std::string& name) const {
    const IniPlace at = place_of(section, name);
    return at.line == 0 ? "default" : fmt::format("{}:{}", at.file, at.line);
}

std::vector<const DatabaseConfig*> Review::databases() const {
    std::vector<const DatabaseConfig*> out;
    for (const auto& [name, database] : config.databases)
        out.push_back(&database);
    if (config.wildcard_database) out.push_back(&*config.wildcard_database);
    return out;
}

std::string pool_user(const DatabaseConfig& database) {
    return database.user.value_or("");
}

bool is_local(const std::string& host) {
    return host.empty() || is_unix_host(host) || host == "localhost" || host == "::1" ||
           host.starts_with("127.");
}

bool is_on_network(const GlobalConfig& global) {
    const std::vector<std::string> addresses = split_list(global.listen_addr);
    return std::any_of(addresses.begin(), addresses.end(),
                       [](const std::string& address) { return !is_local(address); });
}

}  // namespace weir
