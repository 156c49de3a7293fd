#include "tests/support/fake_client.h"

#include <algorithm>

#include "protocol/message/backend.h"
#include "protocol/message/startup.h"
#include "protocol/message/writer.h"
#include "tests/support/fake_backend.h"

namespace weir::sim {

FakeClient::FakeClient(ClientPlan plan, LinkPtr its_link, Prng& random, SimTrace& trace)
    : link(std::move(its_link)),
      plan_(std::move(plan)),
      random_(random),
      trace_(trace),
      actions_left_(plan_.actions) {
    out_ = make_startup_message({{"user", plan_.user},
                                 {"database", plan_.database},
                                 {"application_name", "c" + std::to_string(plan_.number)}});
}

void FakeClient::fail(const std::string& text) {
    trace_.fail("client " + std::to_string(plan_.number) + ": " + text);
}

namespace {

// Frontend or backend messages as text, for reading.
std::string readable(std::string_view bytes) {
    std::string out;
    for (const char c : bytes.substr(0, 400)) {
        const bool is_plain = c >= ' ' && c <= '~';
        if (is_plain || out.empty() || out.back() != '_') out.push_back(is_plain ? c : '_');
    }
    return out;
}

}  // namespace

std::string FakeClient::state() const {
    return "c" + std::to_string(plan_.number) + (is_ready_ ? "" : " logging in") + " batches " +
           std::to_string(batches_.size()) + " status " + status_;
}

uint64_t FakeClient::take_cancel() {
    if (!wants_cancel_) return 0;
    wants_cancel_ = false;
    return key_;
}

bool FakeClient::step(Instant now, bool is_calm) {
    if (is_gone_) return false;
    bool did = link->fly(random_, is_calm);
    if (!out_.empty()) {
        const size_t before = out_.size();
        link->peer_send(out_);
        did = did || before != out_.size();
    }
    if (!link->to_peer.empty() && (is_calm || random_.chance(80))) {
        read();
        did = true;
    }
    if (is_gone_) return true;
    if (link->is_over_for_peer()) {
        if (!plan_.may_lose && !is_leaving_) fail("lost its connection");
        disconnect();
        return true;
    }
    if (!is_calm && random_.below(1000) < plan_.rude) {
        disconnect();
        return true;
    }
    if (!is_ready_ || now < think_until_ || is_leaving_) return did;
    const bool is_quiet = batches_.empty();
    if (!is_quiet) {
        if (!is_calm && random_.below(1000) < plan_.cancels && cancels_sent_ < 3) {
            ++cancels_sent_;
            wants_cancel_ = true;
            trace_.note("client cancels", plan_.number);
            return true;
        }
        if (is_calm || !may_follow() || !random_.chance(3)) return did;
    }
    if (is_calm) actions_left_ = std::min(actions_left_, 0);
    const size_t before = out_.size();
    act();
    if (trace_.is_verbose()) {
        trace_.say("client " + std::to_string(plan_.number) + " sends " +
                   readable(std::string_view(out_).substr(before)));
    }
    const uint64_t rest = random_.chance(10) ? 30'000 : 500;
    think_until_ = now + Duration(static_cast<int64_t>(random_.below(rest)));
    return true;
}

// May send more before it has been answered.
bool FakeClient::may_follow() const {
    return status_ == 'I' && batches_.back().status == 'I' && batches_.size() <= 6 &&
           batches_.back().copy_data.empty();
}

// ---- what it does ----

std::string FakeClient::token() {
    std::string out = "c" + std::to_string(plan_.number) + "." + std::to_string(++sequence_);
    if (random_.chance(10)) out += " " + std::to_string(1 + random_.below(plan_.padding_max));
    return out;
}

void FakeClient::act() {
    const bool is_quiet = batches_.empty();
    if (is_quiet && status_ != 'I') return act_in_transaction();
    if (--actions_left_ < 0) {
        if (is_quiet) leave();
        return;
    }
    const uint64_t choice = random_.below(100);
    if (choice < 30) return simple("echo");
    if (choice < 35) return simple("fail");
    if (choice < 40) return simple("sleep");
    if (choice < 45 && is_quiet) {
        const std::string name =
            "c" + std::to_string(plan_.number) + (random_.chance(50) ? "x" : "");
        return control("SET application_name='" + name + "'", 'I');
    }
    if (choice < 60 && is_quiet && plan_.may_begin) return control("BEGIN " + token(), 'T');
    if (choice < 63 && plan_.may_deallocate) {
        control("DEALLOCATE ALL", 'I');
        batches_.back().removes_all = true;
        planned_.clear();
        return;
    }
    if (choice < 75) return unusual(true);
    extended(plan_.may_fail);
}

void FakeClient::act_in_transaction() {
    const uint64_t choice = random_.below(100);
    if (status_ == 'E' || choice < 15) return control("ROLLBACK " + token(), 'I');
    if (choice < 45 || actions_left_ <= 0) return control("COMMIT " + token(), 'I');
    if (choice < 50) {
        simple("fail");
        batches_.back().status = 'E';
        return;
    }
    if (choice < 70) {
        simple("echo");
    } else if (choice < 80) {
        unusual(false);
    } else {
        extended(false);
    }
    batches_.back().status = 'T';
}

void FakeClient::simple(std::string_view word) {
    Batch batch;
    std::string text(word);
    text += " " + token();
    if (word == "fail") {
        batch.has_error = true;
    } else {
        batch.rows.push_back(answer_of(text, {}));
    }
    if (random_.chance(5))
        text += " " + std::string(random_.below(plan_.padding_max * 10 + 1), '#');
    batches_.push_back(std::move(batch));
    unnamed_text_.clear();
    write_query(out_, text);
}

void FakeClient::unusual(bool may_fail) {
    switch (random_.below(3)) {
        case 0: return several(may_fail);
        case 1: return function_call();
        default: return copy(may_fail);
    }
}

void FakeClient::several(bool may_fail) {
    Batch batch;
    const uint64_t count = 1 + random_.below(3);
    std::string sql;
    for (uint64_t i = 0; i < count; ++i) {
        const std::string text = "echo " + token();
        batch.rows.push_back(answer_of(text, {}));
        sql += text + ";";
    }
    if (may_fail && random_.chance(20)) {
        batch.has_error = true;
        sql += "fail " + token() + ";";
    } else if (may_fail && plan_.may_deallocate && random_.chance(20)) {
        batch.removes_all = true;
        planned_.clear();
        sql += "DEALLOCATE ALL";
    }
    batches_.push_back(std::move(batch));
    unnamed_text_.clear();
    write_query(out_, sql);
}

void FakeClient::function_call() {
    Batch batch;
    const std::string body = "fn " + token();
    batch.rows.push_back(answer_of(body, {}));
    batches_.push_back(std::move(batch));
    MessageWriter call(out_);
    call.begin(FrontendTag::FunctionCall);
    call.u32(7);
    call.text(body);
    call.end();
}

void FakeClient::copy(bool may_fail) {
    Batch batch;
    const std::string word = may_fail && random_.chance(20) ? "copybad"
                             : random_.chance(30)           ? "copyout"
                                                            : "copyin";
    const std::string token =
        "c" + std::to_string(plan_.number) + "." + std::to_string(++sequence_);
    const std::string sql = word + " " + token;
    batch.is_simple = random_.chance(50);
    unnamed_text_.clear();
    if (batch.is_simple) {
        write_query(out_, sql);
    } else {
        write_untyped_parse(out_, "", sql);
        add_use(batch, "");
        batch.parses = batch.binds = 1;
        has_unnamed_copy_ = true;
    }
    if (word == "copyin") {
        copy_in(batch, token, may_fail);
    } else {
        batch.has_error = word == "copybad";
        batch.rows.assign(batch.has_error ? 1 : 3, token);
        if (!batch.has_error) batch.rows.push_back("COPY 3");
        if (!batch.is_simple) write_empty(out_, FrontendTag::Sync);
    }
    batches_.push_back(std::move(batch));
}

// Its data: at once, or when the server asks for it; behind a Sync that the COPY eats (as libpq
// does it), or not.
void FakeClient::copy_in(Batch& batch, const std::string& token, bool may_fail) {
    const auto add = [](std::string& to, char tag, std::string_view body) {
        MessageWriter message(to);
        message.begin(static_cast<uint8_t>(tag));
        message.text(body);
        message.end();
    };
    std::string data;
    const uint64_t rows = random_.below(5);
    for (uint64_t i = 0; i < rows; ++i)
        add(data, 'd', token);
    const uint64_t end = random_.below(may_fail ? 10 : 8);
    batch.has_error = end >= 8;
    if (end == 8) add(data, 'd', "bad");
    add(data, end == 9 ? 'f' : 'c', end == 9 ? std::string_view("no\0", 3) : std::string_view());
    if (!batch.has_error) batch.rows.push_back("COPY " + std::to_string(rows));
    const bool waits = random_.chance(50);
    if (!batch.is_simple) {
        batch.owes_sync = waits && random_.chance(50);
        if (waits) write_empty(out_, batch.owes_sync ? FrontendTag::Flush : FrontendTag::Sync);
        write_empty(data, FrontendTag::Sync);
    }
    if (waits) {
        batch.copy_data = std::move(data);
    } else {
        out_ += data;
    }
}

void FakeClient::control(std::string_view sql, char status_after) {
    Batch batch;
    batch.status = status_after;
    batches_.push_back(std::move(batch));
    unnamed_text_.clear();
    write_query(out_, sql);
}

void FakeClient::extended(bool may_fail) {
    Batch batch;
    batch.is_simple = false;
    const uint64_t steps = 1 + random_.below(4);
    for (uint64_t i = 0; i < steps; ++i)
        extended_step(batch, may_fail);
    write_empty(out_, FrontendTag::Sync);
    batches_.push_back(std::move(batch));
}

void FakeClient::extended_step(Batch& batch, bool may_fail) {
    static constexpr const char* kNames[] = {"s1", "s2", "s3", "s4"};
    std::string name = random_.chance(25) ? "" : kNames[random_.below(4)];
    // Two Parses of a name in one batch are an error, even when the first is skipped.
    const bool is_taken =
        (batch.tried.contains(name) && !planned_.contains(name)) || batch.given_up.contains(name);
    if (spoilt_.contains(name) || is_taken || !plan_.may_name) name.clear();
    if (may_fail && random_.chance(4)) {
        const std::string text = "fail c" + std::to_string(plan_.number) + ".0";
        write_untyped_parse(out_, "", text);
        if (!batch.has_error) ++batch.parses;
        if (!batch.has_error) unnamed_text_.clear();
        add_use(batch, "");
        batch.has_error = true;
        return;
    }
    if (name.empty()) {
        // Was the Parse in between cancelled, it would be the COPY again, without data for it.
        const bool may_reuse = (plan_.may_name && !has_unnamed_copy_) || batch.tried.contains(name);
        if (unnamed_text_.empty() || !may_reuse || random_.chance(60)) add_parse(batch, name);
        add_use(batch, name);
    } else if (!planned_.contains(name)) {
        add_parse(batch, name);
        if (random_.chance(70) && planned_.contains(name)) add_use(batch, name);
    } else if (random_.chance(15)) {
        add_close(batch, name);
    } else {
        add_use(batch, name);
    }
    if (random_.chance(10)) write_empty(out_, FrontendTag::Flush);
}

void FakeClient::add_parse(Batch& batch, const std::string& name) {
    std::string text = "prep ";
    if (!name.empty() && random_.chance(50)) {
        text += "shared" + std::to_string(random_.below(3));
    } else {
        text += "own" + std::to_string(plan_.number) + "_" + std::to_string(++sequence_);
    }
    write_untyped_parse(out_, name, text);
    batch.tried.insert(name);
    if (batch.has_error) return;  // skipped
    ++batch.parses;
    (name.empty() ? unnamed_text_ : texts_[name]) = text;
    if (name.empty()) return;
    planned_.insert(name);
    batch.added.insert(name);
}

void FakeClient::add_use(Batch& batch, const std::string& name) {
    const std::string parameter = "p " + token();
    if (random_.chance(20)) write_describe(out_, 'S', name);
    write_bind(out_, name, parameter);
    write_execute(out_);
    if (batch.has_error) return;
    ++batch.binds;
    const std::string& text = name.empty() ? unnamed_text_ : texts_[name];
    if (!text.empty()) batch.rows.push_back(answer_of(text, parameter));
}

void FakeClient::add_close(Batch& batch, const std::string& name) {
    write_close_statement(out_, name);
    batch.given_up.insert(name);
    if (batch.has_error) return;
    ++batch.closes;
    planned_.erase(name);
    batch.removed.insert(name);
}

void FakeClient::disconnect() {
    trace_.note("client disconnects", plan_.number);
    is_gone_ = true;
    if (random_.chance(50)) {
        link->peer_reset();
    } else {
        link->peer_close();
        link->to_proxy += link->to_proxy_flight;
        link->to_proxy_flight.clear();
    }
    if (!link->to_peer_flight.empty()) link->is_reset = true;
}

void FakeClient::leave() {
    is_leaving_ = true;
    write_empty(out_, FrontendTag::Terminate);
}

// ---- what it is answered ----

void FakeClient::read() {
    in_ += link->to_peer;
    link->to_peer.clear();
    while (in_.size() >= 5 && !is_gone_) {
        const size_t total = load_be32(reinterpret_cast<const uint8_t*>(in_.data()) + 1) + 1;
        if (in_.size() < total) return;
        const std::string message = in_.substr(0, total);
        in_.erase(0, total);
        if (trace_.is_verbose())
            trace_.say("client " + std::to_string(plan_.number) + " gets " + readable(message));
        on_message(message[0], std::string_view(message).substr(5));
    }
}

void FakeClient::on_message(char tag, std::string_view body) {
    if (tag == 'E') return on_error(body);
    if (!is_ready_) {
        if (tag == 'K') key_ = load_be64(reinterpret_cast<const uint8_t*>(body.data()));
        if (tag == 'Z') is_ready_ = true;
        return;
    }
    if (tag == 'S' || tag == 'N') return;
    if (batches_.empty()) return fail(std::string("got message it did not ask for: ") + tag);
    Batch& batch = batches_.front();
    if (!batch.error.empty() && tag != 'Z')
        return fail(std::string("got message behind an error: ") + tag);
    switch (tag) {
        case 'D': return on_row(batch, body.substr(std::min<size_t>(6, body.size())));
        case 'd':
        case 'V': return on_row(batch, body);
        case 'C':
            if (body.starts_with("COPY ")) on_row(batch, body.substr(0, body.size() - 1));
            break;
        case 'G':
            out_ += batch.copy_data;
            batch.copy_data.clear();
            break;
        case '1': ++batch.parses_seen; break;
        case '2': ++batch.binds_seen; break;
        case '3': ++batch.closes_seen; break;
        case 'Z': on_ready(body[0]); break;
        default: break;
    }
}

void FakeClient::on_row(Batch& batch, std::string_view row) {
    if (batch.is_doubtful && row.starts_with("COPY ")) return;
    const bool is_own = row.find("c" + std::to_string(plan_.number) + ".") != row.npos;
    // What was prepared by a batch that a cancel has hit is not: another statement may be run.
    if (batch.is_doubtful && is_own) {
        ++answers;
        return;
    }
    if (batch.rows_seen >= batch.rows.size()) return fail("got row " + std::string(row));
    const std::string& wanted = batch.rows[batch.rows_seen++];
    if (row != wanted) return fail("wants row " + wanted + " but gets " + std::string(row));
    ++answers;
}

void FakeClient::on_error(std::string_view body) {
    const ErrorView error = view_error(as_bytes(body));
    const std::string text = std::string(error.severity) + " " + std::string(error.sqlstate) + " " +
                             std::string(error.message);
    if (error.severity == "FATAL") {
        const bool is_aftermath =
            !batches_.empty() && batches_.front().is_doubtful && error.sqlstate.starts_with("08");
        if (!plan_.may_lose && !is_aftermath) fail("lost its connection: " + text);
        trace_.note("client is told to go", plan_.number);
        return disconnect();
    }
    if (batches_.empty()) return fail("got an error it did not ask for: " + text);
    Batch& batch = batches_.front();
    batch.error = error.sqlstate;
    if (!batch.copy_data.empty() && batch.owes_sync) write_empty(out_, FrontendTag::Sync);
    batch.copy_data.clear();
    const bool is_own = batch.has_error && error.sqlstate == "22012";
    if (is_own) return;
    if (error.sqlstate == "57014" && cancels_sent_ > cancels_seen_) {
        ++cancels_seen_;
        return;
    }
    // Names that a cancelled batch would have made are missed by those behind it, or mean what they
    // meant before.
    const bool is_aftermath =
        batch.is_doubtful &&
        (error.sqlstate == "26000" || error.sqlstate == "42P05" || error.sqlstate == "22012");
    if (!is_aftermath) fail("got an error: " + text);
}

void FakeClient::on_ready(char status) {
    const Batch batch = std::move(batches_.front());
    batches_.pop_front();
    const bool is_own_error = batch.has_error && batch.error == "22012";
    const bool is_as_wanted = batch.has_error ? is_own_error : batch.error.empty();
    status_ = status;
    if (is_as_wanted) {
        if (batch.is_doubtful) return;
        if (batch.rows_seen != batch.rows.size() || batch.parses_seen != batch.parses ||
            batch.binds_seen != batch.binds || batch.closes_seen != batch.closes) {
            fail("answers are missing before " + std::to_string(sequence_) + ": rows " +
                 std::to_string(batch.rows_seen) + "/" + std::to_string(batch.rows.size()) +
                 " parses " + std::to_string(batch.parses_seen) + "/" +
                 std::to_string(batch.parses) + " binds " + std::to_string(batch.binds_seen) + "/" +
                 std::to_string(batch.binds) + " closes " + std::to_string(batch.closes_seen) +
                 "/" + std::to_string(batch.closes));
        }
        if (status != batch.status)
            fail(std::string("wants status ") + batch.status + " but gets " + status);
        return;
    }
    // Cancelled half-way: nobody can say which names it has made.
    for (Batch& behind : batches_)
        behind.is_doubtful = true;
    unnamed_text_.clear();
    for (const auto* set : {&batch.added, &batch.removed})
        spoilt_.insert(set->begin(), set->end());
    if (batch.removes_all) spoilt_.insert({"s1", "s2", "s3", "s4"});
}

}  // namespace weir::sim
