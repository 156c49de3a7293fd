// PageView: what is known at one moment, from which the status page is rendered. Thread: control.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "admin/http/readiness.h"
#include "admin/page/history.h"
#include "admin/page/shown.h"
#include "proxy/inspector.h"

namespace weir {

struct WaitingClient {
    std::string database, user, application_name, addr;
    double waited_s = 0;
};

struct LoginFailure {
    std::string database, user, text;
};

struct PageView {
    Readiness readiness;
    std::vector<Shown> tables;
    static constexpr size_t kWaitingMax = 12;
    std::vector<WaitingClient> waiting;  // who waits longest first
    size_t waiting_count = 0;            // `waiting` may be cut
    std::vector<LoginFailure> failures;  // pools that have no server and cannot get one
    const PageHistory* history = nullptr;
    size_t clients = 0, clients_max = 0;
    std::string version, time;  // UTC
    double uptime_s = 0;

    // Null when there is no such table.
    [[nodiscard]] const Shown* find(std::string_view topic) const;
};

// One thing that is wrong, or that somebody has ordered and may have forgotten.
struct Trouble {
    bool is_bad = false;  // work fails; else it suffers, or will
    std::string subject;
    std::string text;
};

// What somebody who is called at night wants to know first; the worst first.
[[nodiscard]] std::vector<Trouble> troubles(const PageView& view);

}  // namespace weir
