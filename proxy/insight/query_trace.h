// QueryTrace: the requests of one server connection that are being sent or are in flight, as far as
// a sample of them will need: the beginnings of their texts, and what has come of the oldest. Texts
// live in a ring of their own; where there is no room a request goes without its text, it never
// waits. Made once for each connection that serves, and used again; an idle client costs nothing.
//
// It is not handed over to a process that takes over: what was in flight is told without its text.
// Owner: the server connection. Thread: that of its lease.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "proxy/insight/sample.h"

namespace weir {

class QueryTrace {
  public:
    // One request, up to what ends with a ReadyForQuery.
    struct Request {
        uint64_t key = 0;  // as Sample::text_key
        uint16_t at = 0, bytes = 0;
        SampleKind kind = SampleKind::Query;
        bool is_cut = false;
        bool defines = false;   // its text will be referred to by its key
        bool executes = false;  // and does not only prepare
    };

    // ---- what has come of the oldest request so far; its sample's ----

    uint64_t bytes_in = 0, bytes_out = 0;
    uint64_t rows = 0;
    uint64_t wait_us = 0;
    std::array<char, 5> sqlstate{};  // its first character is 0 while all is well

    // A client gets the connection.
    void begin(uint64_t waited_us) {
        bytes_in = bytes_out = rows = 0;
        wait_us = waited_us;
        sqlstate[0] = 0;
        open_ = {};
        head_ = count_ = untold_ = 0;
        if (has_names_) forget_names();
    }

    // ---- the request that is being sent ----

    // Its text, or that of one more of its statements. May end with a NUL, behind which anything
    // may follow; without one it is cut.
    void note(std::string_view text);
    // A statement whose text was sent before.
    void note_key(uint64_t key);
    [[nodiscard]] bool has_statement() const { return open_.bytes > 0 || open_.key != 0; }
    Request& open() { return open_; }
    [[nodiscard]] std::string_view open_text() const { return text_of(open_); }
    // All of it has been sent: it is answered by the next ReadyForQuery but those of earlier ones.
    void close();

    // ---- the oldest request ----

    // Takes it off; one without anything known when there is none. Its text is there until the next
    // note().
    Request finish();
    // The next one begins. So many are in flight: a server may drop some, unanswered.
    void next(uint32_t in_flight);

    [[nodiscard]] std::string_view text_of(const Request& request) const {
        return {texts_.data() + request.at, request.bytes};
    }

    // ---- names of prepared statements, where they are passed on as they are ----

    void define(std::string_view name, uint64_t key);
    // 0 = not known.
    [[nodiscard]] uint64_t find(std::string_view name) const;

  private:
    static constexpr uint32_t kRequestsMax = 32;
    static constexpr size_t kTextBytes = 4 * kSampleTextBytesMax;
    static constexpr size_t kNames = 64;

    struct Name {
        uint64_t hash = 0, key = 0;
    };

    // Where the open request's text may stand, and how much of it.
    struct Room {
        size_t at = 0, bytes = 0;
    };
    [[nodiscard]] Room room() const;
    void forget_names();

    Request open_;
    uint32_t head_ = 0, count_ = 0;
    uint32_t untold_ = 0;  // younger ones for which there was no room
    bool has_names_ = false;
    std::array<Request, kRequestsMax> requests_;
    std::array<Name, kNames> names_{};
    std::array<char, kTextBytes> texts_;
};

}  // namespace weir
