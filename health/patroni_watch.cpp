#include "health/patroni_watch.h"

#include <curl/curl.h>

#include <algorithm>
#include <utility>

#include "health/probe_error.h"

namespace weir {

namespace {

// As the prober's: between the end of a question and the beginning of the next.
constexpr Duration kPatroniBreathMin = std::chrono::milliseconds(20);
constexpr long kStatusOk = 200;
constexpr const char* kNoLibrary = "libcurl cannot be initialised";

int to_select(int16_t events) {
    const auto has = [events](int bits) { return (events & bits) != 0; };
    return (has(POLLIN) ? CURL_CSELECT_IN : 0) | (has(POLLOUT) ? CURL_CSELECT_OUT : 0) |
           (has(POLLERR | POLLHUP | POLLNVAL) ? CURL_CSELECT_ERR : 0);
}

int16_t to_events(int what) {
    switch (what) {
        case CURL_POLL_IN: return POLLIN;
        case CURL_POLL_OUT: return POLLOUT;
        case CURL_POLL_INOUT: return POLLIN | POLLOUT;
        default: return 0;
    }
}

}  // namespace

// libcurl calls these from within its functions, so on this thread.
struct PatroniWatch::Callbacks {
    static int on_socket(CURL*, curl_socket_t fd, int what, void* user, void*) {
        auto& sockets = static_cast<PatroniWatch*>(user)->sockets_;
        const auto known = std::find_if(sockets.begin(), sockets.end(),
                                        [fd](const pollfd& each) { return each.fd == fd; });
        if (what == CURL_POLL_REMOVE) {
            if (known != sockets.end()) sockets.erase(known);
        } else if (known != sockets.end()) {
            known->events = to_events(what);
        } else {
            sockets.push_back({fd, to_events(what), 0});
        }
        return 0;
    }
    static int on_timer(CURLM*, long ms, void* user) {
        auto& self = *static_cast<PatroniWatch*>(user);
        self.curl_at_ = ms < 0 ? Instant() : self.clock_.now() + std::chrono::milliseconds(ms);
        return 0;
    }
    // Taking less than all of it ends the transfer.
    static bool admit(Ask& ask, size_t bytes) {
        ask.received += bytes;
        return ask.received <= kAnswerBytesMax;
    }
    static size_t on_head(char*, size_t size, size_t count, void* ask) {
        return admit(*static_cast<Ask*>(ask), size * count) ? size * count : 0;
    }
    static size_t on_body(char* data, size_t size, size_t count, void* user) {
        auto& ask = *static_cast<Ask*>(user);
        if (!admit(ask, size * count)) return 0;
        ask.body.append(data, size * count);
        return size * count;
    }
};

void PatroniWatch::EndEasy::operator()(void* easy) const {
    curl_easy_cleanup(easy);
}

void PatroniWatch::EndMulti::operator()(void* multi) const {
    curl_multi_cleanup(multi);
}

PatroniWatch::~PatroniWatch() {
    for (const std::unique_ptr<Ask>& ask : asks_)
        forget(*ask);
    asks_.clear();
    multi_.reset();
    if (is_initialised_) curl_global_cleanup();
}

// --- targets

void PatroniWatch::configure(Duration timeout) {
    timeout_ = timeout;
    std::vector<std::unique_ptr<Ask>> before = std::exchange(asks_, {});
    for (const PatroniTarget& target : registry_.patroni_targets()) {
        const auto same =
            std::find_if(before.begin(), before.end(), [&target](const std::unique_ptr<Ask>& ask) {
                return ask->endpoint == target.endpoint && ask->url == target.url;
            });
        if (same != before.end()) {
            asks_.push_back(std::move(*same));
            before.erase(same);
        } else {
            asks_.push_back(make_ask(target));
        }
    }
    for (const std::unique_ptr<Ask>& ask : before)
        forget(*ask);
}

void PatroniWatch::forget(Ask& ask) {
    if (ask.is_busy) curl_multi_remove_handle(multi_.get(), ask.easy.get());
}

bool PatroniWatch::open() {
    if (multi_ != nullptr) return true;
    if (!is_initialised_ && curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) return false;
    is_initialised_ = true;
    multi_.reset(curl_multi_init());
    if (multi_ == nullptr) return false;
    curl_multi_setopt(multi_.get(), CURLMOPT_SOCKETFUNCTION, Callbacks::on_socket);
    curl_multi_setopt(multi_.get(), CURLMOPT_SOCKETDATA, this);
    curl_multi_setopt(multi_.get(), CURLMOPT_TIMERFUNCTION, Callbacks::on_timer);
    curl_multi_setopt(multi_.get(), CURLMOPT_TIMERDATA, this);
    return true;
}

std::unique_ptr<PatroniWatch::Ask> PatroniWatch::make_ask(const PatroniTarget& target) {
    static_assert(kErrorBytes >= CURL_ERROR_SIZE);
    auto ask = std::make_unique<Ask>();
    ask->endpoint = target.endpoint;
    ask->url = target.url;
    ask->next_at = clock_.now();
    if (!open()) return ask;
    ask->easy.reset(curl_easy_init());
    if (ask->easy == nullptr) return ask;
    CURL* easy = ask->easy.get();
    const std::string url = target.url + "/patroni";
    curl_easy_setopt(easy, CURLOPT_URL, url.c_str());  // copied
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");  // not even the environment's
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "weir");
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, ask->error.data());
    curl_easy_setopt(easy, CURLOPT_PRIVATE, ask.get());
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, Callbacks::on_head);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, ask.get());
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, Callbacks::on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, ask.get());
    return ask;
}

// --- questions

void PatroniWatch::begin_due() {
    for (const std::unique_ptr<Ask>& ask : asks_) {
        const Instant now = clock_.now();
        if (!ask->is_busy && now >= ask->next_at) begin(*ask, now);
    }
}

void PatroniWatch::begin(Ask& ask, Instant now) {
    ask.began_at = now;
    ask.deadline = now + timeout_;
    ask.body.clear();
    ask.received = 0;
    ask.error.fill('\0');
    // It asks to be called at once, by on_timer.
    if (ask.easy == nullptr || curl_multi_add_handle(multi_.get(), ask.easy.get()) != CURLM_OK) {
        finish(ask, fail("58000", kNoLibrary));
        return;
    }
    ask.is_busy = true;
}

void PatroniWatch::add_sockets(std::vector<pollfd>& fds) const {
    fds.insert(fds.end(), sockets_.begin(), sockets_.end());
}

void PatroniWatch::handle(std::span<const pollfd> fds) {
    if (multi_ == nullptr) return;
    int running = 0;
    for (const pollfd& each : fds) {
        // One that libcurl has closed meanwhile is unknown to it, and ignored.
        if (each.revents == 0) continue;
        curl_multi_socket_action(multi_.get(), each.fd, to_select(each.revents), &running);
    }
    if (!curl_at_.is_never() && clock_.now() >= curl_at_) {
        curl_at_ = Instant();
        curl_multi_socket_action(multi_.get(), CURL_SOCKET_TIMEOUT, 0, &running);
    }
    collect();
    const Instant now = clock_.now();
    for (const std::unique_ptr<Ask>& ask : asks_) {
        if (!ask->is_busy || now < ask->deadline) continue;
        finish(*ask, fail("57014", "no answer within the time allowed"));
    }
}

void PatroniWatch::collect() {
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi_.get(), &left)) {
        if (message->msg != CURLMSG_DONE) continue;
        const CURLcode code = message->data.result;  // finish() ends the message's life
        char* ask = nullptr;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &ask);
        auto& done = *reinterpret_cast<Ask*>(ask);  // rule zero: libcurl keeps it as a char*
        finish(done, answer_of(done, code));
    }
}

Result<PatroniAnswer> PatroniWatch::answer_of(Ask& ask, int code) {
    if (ask.received > kAnswerBytesMax) {
        return fail("54000",
                    "the answer is longer than " + std::to_string(kAnswerBytesMax) + " bytes");
    }
    if (code != CURLE_OK) {
        const char* text = ask.error[0] != '\0' ? ask.error.data()
                                                : curl_easy_strerror(static_cast<CURLcode>(code));
        return fail("08006", one_line(text));
    }
    long status = 0;
    curl_easy_getinfo(ask.easy.get(), CURLINFO_RESPONSE_CODE, &status);
    if (status != kStatusOk) return fail("08P01", "HTTP status " + std::to_string(status));
    return read_patroni_answer(ask.body);
}

void PatroniWatch::finish(Ask& ask, const Result<PatroniAnswer>& said) {
    // Of a question without its answer the connection goes with it.
    forget(ask);
    ask.is_busy = false;
    const Instant now = clock_.now();
    registry_.on_patroni(*ask.endpoint, said, now);
    const Duration pause = registry_.next_patroni_pause(*ask.endpoint);
    ask.next_at = std::max(ask.began_at + pause, now + kPatroniBreathMin);
}

Instant PatroniWatch::next_at() const {
    Instant first = curl_at_;
    for (const std::unique_ptr<Ask>& ask : asks_) {
        const Instant due = ask->is_busy ? ask->deadline : ask->next_at;
        if (first.is_never() || due < first) first = due;
    }
    return first;
}

}  // namespace weir
