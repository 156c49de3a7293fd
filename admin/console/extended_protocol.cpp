// ConsoleSession: Parse, Bind, Describe, Execute, Close, Sync.
#include <algorithm>

#include "admin/console/console_session.h"
#include "protocol/message/frontend.h"
#include "protocol/message/writer.h"

namespace weir {

namespace {

Error invalid_message(std::string_view name) {
    return Error("08P01", "invalid " + std::string(name) + " message");
}

Error missing(std::string_view sqlstate, std::string_view what, std::string_view name) {
    return Error(sqlstate, std::string(what) + " \"" + std::string(name) + "\" does not exist");
}

struct Bound {
    std::string_view portal;
    std::string_view statement;
    size_t parameters = 0;
    std::vector<uint16_t> formats;
};

// A whole Bind; the values of its parameters are of no interest.
std::optional<Bound> view_bind(ByteView body) {
    ByteReader r(body);
    Bound bound;
    bound.portal = r.cstring();
    bound.statement = r.cstring();
    r.bytes(size_t{r.u16()} * 2);
    bound.parameters = r.u16();
    for (size_t i = 0; i < bound.parameters && r.ok(); ++i) {
        const int32_t bytes = r.i32();
        if (bytes < -1) return std::nullopt;
        if (bytes > 0) r.bytes(static_cast<size_t>(bytes));
    }
    const uint16_t formats = r.u16();
    if (!r.ok() || r.remaining() != size_t{formats} * 2) return std::nullopt;
    for (uint16_t i = 0; i < formats; ++i)
        bound.formats.push_back(r.u16());
    return bound;
}

}  // namespace

// ---- Parse ----

void ConsoleSession::on_parse(ByteView body) {
    const auto view = view_parse(body);
    if (!view) return fail_batch(invalid_message("Parse"));
    if (!view->name.empty() && prepared_.contains(view->name)) {
        return fail_batch(Error(
            "42P05", "prepared statement \"" + std::string(view->name) + "\" already exists"));
    }
    if (prepared_.size() >= kStatementsMax) {
        return fail_batch(Error("53400", "too many prepared statements"));
    }
    Result<ConsoleStatement> statement = resolve_only(view->sql);
    if (!statement) return fail_batch(statement.error());
    Prepared prepared;
    prepared.statement = std::make_shared<const ConsoleStatement>(std::move(*statement));
    ByteReader types(view->text_and_types.last(size_t{view->type_count} * 4));
    for (uint16_t i = 0; i < view->type_count; ++i)
        prepared.parameter_types.push_back(types.u32());
    prepared_.insert_or_assign(std::string(view->name), std::move(prepared));
    write_empty(output_, BackendTag::ParseComplete);
}

Result<ConsoleStatement> ConsoleSession::resolve_only(std::string_view query) const {
    Result<std::vector<Command>> commands = read_commands(query);
    if (!commands) return tl::unexpected<Error>(commands.error());
    if (commands->size() > 1) {
        return fail("42601", "cannot insert multiple commands into a prepared statement");
    }
    if (commands->empty()) return ConsoleStatement{};
    return resolve(std::move(commands->front()), is_admin_);
}

// ---- Bind ----

void ConsoleSession::on_bind(ByteView body) {
    if (Status bound = bind(body); !bound) return fail_batch(bound.error());
    write_empty(output_, BackendTag::BindComplete);
}

Status ConsoleSession::bind(ByteView body) {
    const auto view = view_bind(body);
    if (!view) return tl::unexpected<Error>(invalid_message("Bind"));
    const auto found = prepared_.find(view->statement);
    if (found == prepared_.end()) {
        return tl::unexpected<Error>(missing("26000", "prepared statement", view->statement));
    }
    const Prepared& prepared = found->second;
    if (view->parameters != prepared.parameter_types.size()) {
        return fail("08P01", "bind message supplies " + std::to_string(view->parameters) +
                                 " parameters, but the statement requires " +
                                 std::to_string(prepared.parameter_types.size()));
    }
    if (std::any_of(view->formats.begin(), view->formats.end(), [](uint16_t f) { return f > 1; })) {
        return fail("22023", "unsupported format code");
    }
    Portal portal;
    portal.statement = prepared.statement;
    portal.formats = ResultFormats(view->formats);
    const size_t columns = portal.statement->columns().size();
    if (!portal.formats.fits(columns)) {
        return fail("08P01", "bind message has " + std::to_string(view->formats.size()) +
                                 " result formats but the statement has " +
                                 std::to_string(columns) + " columns");
    }
    if (!view->portal.empty() && portals_.contains(view->portal)) {
        return fail("42P03", "portal \"" + std::string(view->portal) + "\" already exists");
    }
    if (portals_.size() >= kStatementsMax) return fail("53400", "too many portals");
    portals_.insert_or_assign(std::string(view->portal), std::move(portal));
    return {};
}

// ---- Describe, Close, Sync ----

void ConsoleSession::on_describe(ByteView body) {
    const auto view = view_target(body);
    if (!view) return fail_batch(invalid_message("Describe"));
    const ConsoleStatement* statement = nullptr;
    ResultFormats formats;
    if (view->kind == 'S') {
        const auto found = prepared_.find(view->name);
        if (found == prepared_.end()) {
            return fail_batch(missing("26000", "prepared statement", view->name));
        }
        write_parameter_description(output_, found->second.parameter_types);
        statement = found->second.statement.get();
    } else {
        const auto found = portals_.find(view->name);
        if (found == portals_.end()) return fail_batch(missing("34000", "portal", view->name));
        statement = found->second.statement.get();
        formats = found->second.formats;
    }
    if (!statement->has_rows()) return write_empty(output_, BackendTag::NoData);
    write_columns(output_, statement->columns(), formats);
}

void ConsoleSession::on_close(ByteView body) {
    const auto view = view_target(body);
    if (!view) return fail_batch(invalid_message("Close"));
    if (view->kind == 'S') {
        const auto found = prepared_.find(view->name);
        if (found != prepared_.end()) prepared_.erase(found);
    } else {
        const auto found = portals_.find(view->name);
        if (found != portals_.end()) portals_.erase(found);
    }
    write_empty(output_, BackendTag::CloseComplete);
}

void ConsoleSession::on_sync() {
    if (is_skipping_to_sync_) portals_.clear();
    is_skipping_to_sync_ = false;
    drop_portals();
    ready();
}

// The end of a Query or a train of messages, and with it of its transaction.
void ConsoleSession::drop_portals() {
    if (!is_in_transaction_) portals_.clear();
}

// ---- Execute ----

void ConsoleSession::on_execute(ByteView body) {
    const auto view = view_execute(body);
    if (!view) return fail_batch(invalid_message("Execute"));
    const auto found = portals_.find(view->portal);
    if (found == portals_.end()) return fail_batch(missing("34000", "portal", view->portal));
    Portal& portal = found->second;
    if (portal.statement->is_empty()) return write_empty(output_, BackendTag::EmptyQueryResponse);
    if (portal.is_run && portal.statement->has_rows()) return send_rows(portal, view->rows_max);
    if (portal.is_run) {
        return fail_batch(
            Error("55000", "portal \"" + std::string(view->portal) + "\" cannot be run"));
    }
    portal_name_ = view->portal;
    portal_rows_max_ = view->rows_max;
    state_ = State::Running;
}

void ConsoleSession::complete_portal(CommandOutcome outcome) {
    Portal& portal = portals_.find(portal_name_)->second;
    portal.is_run = true;
    write_notices(outcome);
    if (outcome.error) return fail_batch(*outcome.error, outcome.detail);
    portal.rows = std::move(outcome.rows);
    portal.tag = std::move(outcome.tag);
    send_rows(portal, portal_rows_max_);
}

// As PostgreSQL: a limit that is just reached suspends, even when no row is left.
void ConsoleSession::send_rows(Portal& portal, int32_t rows_max) {
    const size_t left = portal.rows.size() - portal.next_row;
    const size_t wanted = rows_max > 0 ? static_cast<size_t>(rows_max) : left;
    const size_t count = std::min(left, wanted);
    for (size_t i = 0; i < count; ++i) {
        const Cells& row = portal.rows[portal.next_row++];
        write_row(output_, portal.statement->columns(), row, portal.formats);
    }
    if (rows_max > 0 && count == wanted) return write_empty(output_, BackendTag::PortalSuspended);
    portal.rows.clear();
    portal.next_row = 0;
    write_command_complete(output_, portal.tag);
}

}  // namespace weir
