#include "proxy/control/service_manager.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <ctime>
#include <utility>

#include "conf/logging.h"
#include "proxy/runtime/address.h"

namespace weir {

namespace {

std::string env(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? std::string() : std::string(value);
}

Duration watchdog_period() {
    const std::string pid = env("WATCHDOG_PID");
    if (!pid.empty() && pid != std::to_string(getpid())) return Duration(0);
    return Duration(std::strtoll(env("WATCHDOG_USEC").c_str(), nullptr, 10));
}

}  // namespace

ServiceManager::ServiceManager() {
    connect_to(env("NOTIFY_SOCKET"));
    if (fd_ >= 0) watchdog_ = watchdog_period();
}

void ServiceManager::take_over(const std::string& socket, Duration watchdog) {
    if (fd_ < 0) connect_to(socket);
    if (fd_ >= 0 && watchdog_ == Duration(0)) watchdog_ = watchdog;
}

void ServiceManager::succeeded_by(int pid) {
    if (pid > 0) tell("MAINPID=" + std::to_string(pid));
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
    path_.clear();
}

void ServiceManager::connect_to(const std::string& path) {
    if (path.empty()) return;
    const Result<Address> address = Address::from_unix(path);
    if (address) fd_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd_ < 0 || ::connect(fd_, address->data(), address->size()) != 0) {
        log::warning("cannot reach the service manager at {}", path);
        if (fd_ >= 0) ::close(fd_);
        fd_ = -1;
        return;
    }
    path_ = path;
}

ServiceManager::~ServiceManager() {
    if (fd_ >= 0) ::close(fd_);
}

void ServiceManager::tell(const std::string& text) {
    if (fd_ >= 0) (void)send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
}

void ServiceManager::ready() {
    tell("READY=1\nMAINPID=" + std::to_string(getpid()));
}

void ServiceManager::reloading() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    const int64_t us = int64_t{now.tv_sec} * 1'000'000 + now.tv_nsec / 1000;
    tell("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(us));
}

void ServiceManager::stopping() {
    tell("STOPPING=1");
}

void ServiceManager::status(std::string_view text) {
    tell("STATUS=" + std::string(text));
}

bool ServiceManager::is_ping_due(Instant now) {
    if (watchdog_.count() <= 0) return false;
    if (!asked_at_.is_never() && now - asked_at_ < watchdog_ / 2) return false;
    asked_at_ = now;
    return true;
}

void ServiceManager::ping() {
    tell("WATCHDOG=1");
}

}  // namespace weir
