#include "health/prober.h"

#include <poll.h>

#include <algorithm>
#include <utility>

namespace weir {

namespace {

// Between the beginnings of two probes, however urgent.
constexpr Duration kPauseMin = std::chrono::milliseconds(100);
// Between the end of one and the beginning of the next: a server that refuses is not to be flooded,
// one that did not answer in time has been waited for long enough.
constexpr Duration kBreathMin = std::chrono::milliseconds(20);

}  // namespace

void Prober::configure(Duration probe_timeout) {
    timeout_ = probe_timeout;
    std::vector<Entry> before = std::exchange(entries_, {});
    for (ProbeTarget& target : registry_.probe_targets()) {
        const auto same = std::find_if(before.begin(), before.end(), [&target](const Entry& entry) {
            return entry.endpoint == target.endpoint && entry.login == target.login;
        });
        if (same != before.end()) {
            entries_.push_back(std::move(*same));
            before.erase(same);
            continue;
        }
        Entry entry;
        entry.endpoint = target.endpoint;
        entry.probe =
            std::make_unique<Probe>(target.endpoint->host(), target.endpoint->port(), target.login);
        entry.login = std::move(target.login);
        entry.next_at = clock_.now();
        entries_.push_back(std::move(entry));
    }
}

void Prober::wait(Instant until) {
    begin_due();
    patroni_.begin_due();
    std::vector<pollfd> fds;
    for (const Entry& entry : entries_)
        fds.push_back({entry.probe->fd(), entry.probe->events(), 0});
    fds.push_back({wakeup_.fd(), POLLIN, 0});
    const size_t own = fds.size();
    patroni_.add_sockets(fds);
    // EINTR and ENOMEM: nothing is ready, the caller comes back.
    if (::poll(fds.data(), fds.size(), timeout_ms(until)) < 0) return;
    wakeup_.drain();
    const std::span<const pollfd> ready(fds);
    handle(ready.first(own));
    patroni_.handle(ready.subspan(own));
}

void Prober::handle(std::span<const pollfd> fds) {
    for (size_t i = 0; i < entries_.size(); ++i) {
        if (fds[i].revents != 0) entries_[i].probe->on_ready(clock_.now());
        collect(entries_[i]);
    }
    const Instant now = clock_.now();
    for (Entry& entry : entries_) {
        if (!entry.probe->is_busy() || now < entry.probe->deadline()) continue;
        entry.probe->on_ready(now);  // it may have become readable while others were served
        if (entry.probe->is_busy()) entry.probe->on_deadline(now);
        collect(entry);
    }
}

void Prober::begin_due() {
    for (Entry& entry : entries_) {
        if (entry.probe->is_busy()) continue;
        const Instant now = clock_.now();
        if (registry_.take_hurry(*entry.endpoint)) {
            entry.next_at = std::min(entry.next_at, entry.began_at + kPauseMin);
        }
        if (now < entry.next_at) continue;
        entry.began_at = now;
        entry.primary_lsn = registry_.primary_lsn(*entry.endpoint);
        entry.probe->begin(now, timeout_);
        collect(entry);
    }
}

void Prober::collect(Entry& entry) {
    const Instant now = clock_.now();
    if (entry.probe->take_loss()) registry_.on_evidence_lost(*entry.endpoint, now);
    std::optional<ProbeReport> report = entry.probe->take_report();
    if (!report) return;
    report->result.primary_lsn = entry.primary_lsn;
    registry_.on_probe(*entry.endpoint, *report, now);
    const bool was_good = report->result.outcome == Outcome::Success;
    const Duration pause = registry_.next_probe_pause(*entry.endpoint, was_good, now);
    entry.next_at = std::max(entry.began_at + pause, now + kBreathMin);
}

int Prober::timeout_ms(Instant until) {
    const Instant now = clock_.now();
    Instant first = until;
    for (const Entry& entry : entries_) {
        const Instant due = entry.probe->is_busy() ? entry.probe->deadline() : entry.next_at;
        if (first.is_never() || due < first) first = due;
    }
    const Instant asked = patroni_.next_at();
    if (!asked.is_never() && (first.is_never() || asked < first)) first = asked;
    if (first.is_never()) return -1;
    // Rounded up, or else the last fraction of a millisecond would be spent spinning.
    const int64_t us = std::clamp<int64_t>((first - now).count(), 0, 60'000'000);
    return static_cast<int>((us + 999) / 1000);
}

}  // namespace weir
