#include "proxy/routing/read_only_proof.h"

#include <pg_query.h>
#include <pg_query/pg_query.pb-c.h>

#include <algorithm>
#include <memory>
#include <string>

#include "proxy/routing/builtin_names.h"
#include "proxy/routing/sql_shape.h"

namespace weir {
namespace {

using Node = PgQuery__Node;

// Settings that a session has on every server or that are the cluster's. Sorted.
constexpr std::string_view kShownAlike[] = {
    "application_name",
    "block_size",
    "client_encoding",
    "datestyle",
    "integer_datetimes",
    "intervalstyle",
    "is_superuser",
    "lc_collate",
    "lc_ctype",
    "max_identifier_length",
    "server_encoding",
    "server_version",
    "server_version_num",
    "session_authorization",
    "standard_conforming_strings",
    "timezone",
};
static_assert(std::is_sorted(std::begin(kShownAlike), std::end(kShownAlike)));

// With these as first word a text is worth parsing.
constexpr std::string_view kWorthParsing[] = {"select",  "with", "values", "table", "show",
                                              "explain", "copy", "begin",  "start"};

std::string_view text_of(const Node* node) {
    if (node == nullptr || node->node_case != PG_QUERY__NODE__NODE_STRING) return {};
    return node->string->sval;
}

Proof verdict(ProofKind kind, ProofReason reason, std::string_view detail = {}) {
    Proof proof;
    proof.kind = kind;
    proof.reason = reason;
    proof.detail_size = static_cast<uint8_t>(std::min(detail.size(), proof.detail_bytes.size()));
    std::copy_n(detail.data(), proof.detail_size, proof.detail_bytes.data());
    return proof;
}

// Visits a statement's tree. Every function says whether all below is read-only; the first that
// says no has left its reason in proof().
class Walker {
  public:
    [[nodiscard]] const Proof& proof() const { return proof_; }

    bool node(const Node* node);
    bool select(const PgQuery__SelectStmt* select);
    bool relation(const PgQuery__RangeVar* relation);
    bool show(const PgQuery__VariableShowStmt& show);
    bool copy(const PgQuery__CopyStmt& copy);

    bool refuse(ProofReason reason, std::string_view detail = {}) {
        proof_ = verdict(ProofKind::NotProven, reason, detail);
        return false;
    }

  private:
    bool list(size_t count, Node* const* nodes) {
        return std::all_of(nodes, nodes + count, [this](const Node* n) { return node(n); });
    }
    bool source(const Node* node);
    bool clause(const Node* node);
    bool expression(const Node* node);
    bool xml(const Node* node);
    bool ctes(const PgQuery__WithClause& with);
    bool cte(const PgQuery__CommonTableExpr& cte);
    bool function(const PgQuery__FuncCall& call);
    bool function_name(size_t count, Node* const* parts);
    bool operator_name(size_t count, Node* const* parts);
    bool operation(const PgQuery__AExpr& operation);
    bool window(const PgQuery__WindowDef* window);
    bool type(const PgQuery__TypeName* type);
    bool sample(const PgQuery__RangeTableSample& sample);
    bool xml_table(const PgQuery__RangeTableFunc& table);

    Proof proof_;
};

bool Walker::node(const Node* node) {
    if (node == nullptr) return true;
    switch (node->node_case) {
        case PG_QUERY__NODE__NODE__NOT_SET:  // a NULL in a list, as of DISTINCT without ON
        case PG_QUERY__NODE__NODE_STRING:
        case PG_QUERY__NODE__NODE_INTEGER:
        case PG_QUERY__NODE__NODE_FLOAT:
        case PG_QUERY__NODE__NODE_BOOLEAN:
        case PG_QUERY__NODE__NODE_BIT_STRING:
        case PG_QUERY__NODE__NODE_A_CONST:
        case PG_QUERY__NODE__NODE_A_STAR:
        case PG_QUERY__NODE__NODE_PARAM_REF:
        case PG_QUERY__NODE__NODE_COLUMN_REF:
        case PG_QUERY__NODE__NODE_SQLVALUE_FUNCTION: return true;
        case PG_QUERY__NODE__NODE_LIST: return list(node->list->n_items, node->list->items);
        case PG_QUERY__NODE__NODE_SELECT_STMT: return select(node->select_stmt);
        default: return expression(node);
    }
}

bool Walker::expression(const Node* node) {
    switch (node->node_case) {
        case PG_QUERY__NODE__NODE_A_EXPR: return operation(*node->a_expr);
        case PG_QUERY__NODE__NODE_FUNC_CALL: return function(*node->func_call);
        case PG_QUERY__NODE__NODE_BOOL_EXPR:
            return list(node->bool_expr->n_args, node->bool_expr->args);
        case PG_QUERY__NODE__NODE_TYPE_CAST:
            return this->node(node->type_cast->arg) && type(node->type_cast->type_name);
        case PG_QUERY__NODE__NODE_SUB_LINK:
            return this->node(node->sub_link->testexpr) &&
                   operator_name(node->sub_link->n_oper_name, node->sub_link->oper_name) &&
                   this->node(node->sub_link->subselect);
        case PG_QUERY__NODE__NODE_CASE_EXPR:
            return this->node(node->case_expr->arg) &&
                   list(node->case_expr->n_args, node->case_expr->args) &&
                   this->node(node->case_expr->defresult);
        case PG_QUERY__NODE__NODE_CASE_WHEN:
            return this->node(node->case_when->expr) && this->node(node->case_when->result);
        case PG_QUERY__NODE__NODE_COALESCE_EXPR:
            return list(node->coalesce_expr->n_args, node->coalesce_expr->args);
        case PG_QUERY__NODE__NODE_MIN_MAX_EXPR:
            return list(node->min_max_expr->n_args, node->min_max_expr->args);
        case PG_QUERY__NODE__NODE_NULL_TEST: return this->node(node->null_test->arg);
        case PG_QUERY__NODE__NODE_BOOLEAN_TEST: return this->node(node->boolean_test->arg);
        case PG_QUERY__NODE__NODE_COLLATE_CLAUSE: return this->node(node->collate_clause->arg);
        case PG_QUERY__NODE__NODE_ROW_EXPR:
            return list(node->row_expr->n_args, node->row_expr->args);
        case PG_QUERY__NODE__NODE_A_ARRAY_EXPR:
            return list(node->a_array_expr->n_elements, node->a_array_expr->elements);
        case PG_QUERY__NODE__NODE_A_INDIRECTION:
            return this->node(node->a_indirection->arg) &&
                   list(node->a_indirection->n_indirection, node->a_indirection->indirection);
        case PG_QUERY__NODE__NODE_A_INDICES:
            return this->node(node->a_indices->lidx) && this->node(node->a_indices->uidx);
        case PG_QUERY__NODE__NODE_NAMED_ARG_EXPR: return this->node(node->named_arg_expr->arg);
        case PG_QUERY__NODE__NODE_GROUPING_FUNC:
            return list(node->grouping_func->n_args, node->grouping_func->args);
        default: return clause(node);
    }
}

bool Walker::clause(const Node* node) {
    switch (node->node_case) {
        case PG_QUERY__NODE__NODE_RES_TARGET:
            return list(node->res_target->n_indirection, node->res_target->indirection) &&
                   this->node(node->res_target->val);
        case PG_QUERY__NODE__NODE_SORT_BY:
            return this->node(node->sort_by->node) &&
                   operator_name(node->sort_by->n_use_op, node->sort_by->use_op);
        case PG_QUERY__NODE__NODE_WINDOW_DEF: return window(node->window_def);
        case PG_QUERY__NODE__NODE_GROUPING_SET:
            return list(node->grouping_set->n_content, node->grouping_set->content);
        case PG_QUERY__NODE__NODE_COLUMN_DEF:  // of a function's result
            return type(node->column_def->type_name) && node->column_def->raw_default == nullptr &&
                   node->column_def->n_constraints == 0;
        default: return source(node);
    }
}

bool Walker::source(const Node* node) {
    switch (node->node_case) {
        case PG_QUERY__NODE__NODE_RANGE_VAR: return relation(node->range_var);
        case PG_QUERY__NODE__NODE_JOIN_EXPR:
            return this->node(node->join_expr->larg) && this->node(node->join_expr->rarg) &&
                   this->node(node->join_expr->quals);
        case PG_QUERY__NODE__NODE_RANGE_SUBSELECT:
            return this->node(node->range_subselect->subquery);
        case PG_QUERY__NODE__NODE_RANGE_FUNCTION:
            return list(node->range_function->n_functions, node->range_function->functions) &&
                   list(node->range_function->n_coldeflist, node->range_function->coldeflist);
        case PG_QUERY__NODE__NODE_RANGE_TABLE_SAMPLE: return sample(*node->range_table_sample);
        case PG_QUERY__NODE__NODE_RANGE_TABLE_FUNC: return xml_table(*node->range_table_func);
        default: return xml(node);
    }
}

bool Walker::xml(const Node* node) {
    switch (node->node_case) {
        case PG_QUERY__NODE__NODE_RANGE_TABLE_FUNC_COL:
            return type(node->range_table_func_col->type_name) &&
                   this->node(node->range_table_func_col->colexpr) &&
                   this->node(node->range_table_func_col->coldefexpr);
        case PG_QUERY__NODE__NODE_XML_EXPR:
            return list(node->xml_expr->n_named_args, node->xml_expr->named_args) &&
                   list(node->xml_expr->n_args, node->xml_expr->args);
        case PG_QUERY__NODE__NODE_XML_SERIALIZE:
            return this->node(node->xml_serialize->expr) && type(node->xml_serialize->type_name);
        default: return refuse(ProofReason::UnknownSyntax);
    }
}

bool Walker::select(const PgQuery__SelectStmt* select) {
    if (select == nullptr) return true;
    if (select->into_clause != nullptr) return refuse(ProofReason::SelectInto);
    if (select->n_locking_clause > 0) return refuse(ProofReason::LockingClause);
    if (select->with_clause != nullptr && !ctes(*select->with_clause)) return false;
    return list(select->n_distinct_clause, select->distinct_clause) &&
           list(select->n_target_list, select->target_list) &&
           list(select->n_from_clause, select->from_clause) && node(select->where_clause) &&
           list(select->n_group_clause, select->group_clause) && node(select->having_clause) &&
           list(select->n_window_clause, select->window_clause) &&
           list(select->n_values_lists, select->values_lists) &&
           list(select->n_sort_clause, select->sort_clause) && node(select->limit_offset) &&
           node(select->limit_count) && this->select(select->larg) && this->select(select->rarg);
}

bool Walker::ctes(const PgQuery__WithClause& with) {
    return std::all_of(with.ctes, with.ctes + with.n_ctes, [this](const Node* n) {
        if (n->node_case == PG_QUERY__NODE__NODE_COMMON_TABLE_EXPR)
            return cte(*n->common_table_expr);
        return refuse(ProofReason::UnknownSyntax);
    });
}

bool Walker::cte(const PgQuery__CommonTableExpr& cte) {
    if (cte.ctequery == nullptr || cte.ctequery->node_case != PG_QUERY__NODE__NODE_SELECT_STMT)
        return refuse(ProofReason::DataModifyingCte);
    const PgQuery__CTECycleClause* const cycle = cte.cycle_clause;
    return select(cte.ctequery->select_stmt) &&
           (cycle == nullptr || (node(cycle->cycle_mark_value) && node(cycle->cycle_mark_default)));
}

bool Walker::function(const PgQuery__FuncCall& call) {
    return function_name(call.n_funcname, call.funcname) && list(call.n_args, call.args) &&
           list(call.n_agg_order, call.agg_order) && node(call.agg_filter) && window(call.over);
}

bool Walker::function_name(size_t count, Node* const* parts) {
    const std::string_view name = count > 0 ? text_of(parts[count - 1]) : std::string_view();
    const bool is_builtin = count == 1 || (count == 2 && text_of(parts[0]) == "pg_catalog");
    if (is_builtin && is_harmless_function(name)) return true;
    const bool is_specific = is_builtin && is_server_specific_function(name);
    return refuse(is_specific ? ProofReason::ServerSpecific : ProofReason::UnsafeFunction, name);
}

bool Walker::operator_name(size_t count, Node* const* parts) {
    if (count == 0) return true;
    const std::string_view name = text_of(parts[count - 1]);
    const bool is_builtin = count == 1 || (count == 2 && text_of(parts[0]) == "pg_catalog");
    if (is_builtin && is_harmless_operator(name)) return true;
    return refuse(ProofReason::UnknownOperator, name);
}

bool Walker::operation(const PgQuery__AExpr& operation) {
    switch (operation.kind) {
        case PG_QUERY__A__EXPR__KIND__AEXPR_OP:
        case PG_QUERY__A__EXPR__KIND__AEXPR_OP_ANY:
        case PG_QUERY__A__EXPR__KIND__AEXPR_OP_ALL:
        case PG_QUERY__A__EXPR__KIND__AEXPR_DISTINCT:
        case PG_QUERY__A__EXPR__KIND__AEXPR_NOT_DISTINCT:
        case PG_QUERY__A__EXPR__KIND__AEXPR_NULLIF:
        case PG_QUERY__A__EXPR__KIND__AEXPR_IN:
        case PG_QUERY__A__EXPR__KIND__AEXPR_LIKE:
        case PG_QUERY__A__EXPR__KIND__AEXPR_ILIKE:
        case PG_QUERY__A__EXPR__KIND__AEXPR_SIMILAR:
            if (!operator_name(operation.n_name, operation.name)) return false;
            break;
        case PG_QUERY__A__EXPR__KIND__AEXPR_BETWEEN:  // named "BETWEEN", meaning >= and <=
        case PG_QUERY__A__EXPR__KIND__AEXPR_NOT_BETWEEN:
        case PG_QUERY__A__EXPR__KIND__AEXPR_BETWEEN_SYM:
        case PG_QUERY__A__EXPR__KIND__AEXPR_NOT_BETWEEN_SYM: break;
        default: return refuse(ProofReason::UnknownSyntax);
    }
    return node(operation.lexpr) && node(operation.rexpr);
}

bool Walker::window(const PgQuery__WindowDef* window) {
    if (window == nullptr) return true;
    return list(window->n_partition_clause, window->partition_clause) &&
           list(window->n_order_clause, window->order_clause) && node(window->start_offset) &&
           node(window->end_offset);
}

bool Walker::type(const PgQuery__TypeName* type) {
    if (type == nullptr) return true;
    const size_t count = type->n_names;
    const std::string_view name = count > 0 ? text_of(type->names[count - 1]) : std::string_view();
    const bool is_builtin = count == 1 || (count == 2 && text_of(type->names[0]) == "pg_catalog");
    if (!is_builtin || type->pct_type || !is_builtin_type(name))
        return refuse(ProofReason::UnknownType, name);
    return list(type->n_typmods, type->typmods);
}

bool Walker::relation(const PgQuery__RangeVar* relation) {
    if (relation == nullptr) return true;
    const std::string_view schema = relation->schemaname;
    const std::string_view name = relation->relname;
    if (schema.starts_with("pg_temp")) return refuse(ProofReason::SessionState, schema);
    const bool is_system = schema.empty() ? name.starts_with("pg_") : schema.starts_with("pg_");
    if (!is_system) return true;
    if ((schema.empty() || schema == "pg_catalog") && is_replicated_catalog(name)) return true;
    return refuse(ProofReason::ServerSpecific, name);
}

bool Walker::sample(const PgQuery__RangeTableSample& sample) {
    const std::string_view method =
        sample.n_method == 1 ? text_of(sample.method[0]) : std::string_view();
    if (method != "system" && method != "bernoulli")
        return refuse(ProofReason::UnsafeFunction, method);
    return node(sample.relation) && list(sample.n_args, sample.args) && node(sample.repeatable);
}

bool Walker::xml_table(const PgQuery__RangeTableFunc& table) {
    return node(table.docexpr) && node(table.rowexpr) &&
           list(table.n_namespaces, table.namespaces) && list(table.n_columns, table.columns);
}

bool Walker::show(const PgQuery__VariableShowStmt& show) {
    std::string name = show.name;  // as written
    std::transform(name.begin(), name.end(), name.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    if (std::binary_search(std::begin(kShownAlike), std::end(kShownAlike), name)) return true;
    return refuse(ProofReason::ServerSpecific, name);
}

bool Walker::copy(const PgQuery__CopyStmt& copy) {
    const std::string_view file = copy.filename;  // "" = STDOUT
    if (copy.is_from || copy.is_program || !file.empty()) return refuse(ProofReason::CopyElsewhere);
    if (copy.where_clause != nullptr) return refuse(ProofReason::UnknownSyntax);
    if (copy.query == nullptr) return relation(copy.relation);
    if (copy.query->node_case == PG_QUERY__NODE__NODE_SELECT_STMT)
        return select(copy.query->select_stmt);
    return refuse(ProofReason::NotASelect, "copy");
}

// --- statements

// What a BEGIN opens.
Proof prove_begin(const PgQuery__TransactionStmt& begin) {
    bool is_read_only = false;
    for (size_t i = 0; i < begin.n_options; ++i) {
        const Node* const option = begin.options[i];
        if (option->node_case != PG_QUERY__NODE__NODE_DEF_ELEM)
            return verdict(ProofKind::NotProven, ProofReason::UnknownSyntax);
        const PgQuery__DefElem& element = *option->def_elem;
        const std::string_view name = element.defname;
        const PgQuery__AConst* const value =
            element.arg != nullptr && element.arg->node_case == PG_QUERY__NODE__NODE_A_CONST
                ? element.arg->a_const
                : nullptr;
        if (name == "transaction_read_only") {
            is_read_only = value != nullptr && value->val_case == PG_QUERY__A__CONST__VAL_IVAL &&
                           value->ival->ival == 1;
            if (!is_read_only) return verdict(ProofKind::NotProven, ProofReason::ReadWriteBlock);
        } else if (name == "transaction_isolation") {
            if (value == nullptr || value->val_case != PG_QUERY__A__CONST__VAL_SVAL ||
                std::string_view(value->sval->sval) == "serializable")
                return verdict(ProofKind::NotProven, ProofReason::Serializable);
        } else if (name != "transaction_deferrable") {
            return verdict(ProofKind::NotProven, ProofReason::UnknownSyntax);
        }
    }
    if (!is_read_only) return verdict(ProofKind::NotProven, ProofReason::ReadWriteBlock);
    return verdict(ProofKind::ReadOnlyBlock, ProofReason::Proven);
}

Proof prove_transaction(const PgQuery__TransactionStmt& statement, bool is_first, bool is_last,
                        bool is_in_block) {
    switch (statement.kind) {
        case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_BEGIN:
        case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_START:
            if (is_first) return prove_begin(statement);
            return verdict(ProofKind::NotProven, ProofReason::OddBlock);
        case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_COMMIT:
        case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_ROLLBACK:
            // What comes behind the end of a block is a transaction of its own.
            if (is_in_block && is_last && !statement.chain)
                return verdict(ProofKind::ReadOnly, ProofReason::Proven);
            return verdict(ProofKind::NotProven, ProofReason::OddBlock);
        default: return verdict(ProofKind::NotProven, ProofReason::NotASelect);
    }
}

// A statement that is none of a transaction.
Proof prove_statement(const Node& statement) {
    Walker walker;
    bool is_proven = false;
    switch (statement.node_case) {
        case PG_QUERY__NODE__NODE_SELECT_STMT:
            is_proven = walker.select(statement.select_stmt);
            break;
        case PG_QUERY__NODE__NODE_VARIABLE_SHOW_STMT:
            is_proven = walker.show(*statement.variable_show_stmt);
            break;
        case PG_QUERY__NODE__NODE_COPY_STMT: is_proven = walker.copy(*statement.copy_stmt); break;
        case PG_QUERY__NODE__NODE_EXPLAIN_STMT: {
            // ANALYZE runs the statement; without it, nothing is gained by telling them apart.
            const Node* const query = statement.explain_stmt->query;
            if (query != nullptr && query->node_case == PG_QUERY__NODE__NODE_SELECT_STMT) {
                is_proven = walker.select(query->select_stmt);
            } else {
                is_proven = walker.refuse(ProofReason::NotASelect, "explain");
            }
            break;
        }
        default: is_proven = walker.refuse(ProofReason::NotASelect);
    }
    return is_proven ? verdict(ProofKind::ReadOnly, ProofReason::Proven) : walker.proof();
}

Proof prove_all(const PgQuery__ParseResult& result) {
    Proof proof = verdict(ProofKind::ReadOnly, ProofReason::Proven);  // no statement at all
    for (size_t i = 0; i < result.n_stmts; ++i) {
        const Node* const statement = result.stmts[i]->stmt;
        if (statement == nullptr) return verdict(ProofKind::NotProven, ProofReason::UnknownSyntax);
        const bool is_in_block = proof.kind == ProofKind::ReadOnlyBlock;
        if (statement->node_case == PG_QUERY__NODE__NODE_TRANSACTION_STMT) {
            proof = prove_transaction(*statement->transaction_stmt, i == 0, i + 1 == result.n_stmts,
                                      is_in_block);
        } else {
            proof = prove_statement(*statement);
            if (is_in_block && proof.is_proven()) proof.kind = ProofKind::ReadOnlyBlock;
        }
        if (!proof.is_proven()) return proof;
    }
    return proof;
}

struct TreeDeleter {
    void operator()(PgQuery__ParseResult* tree) const {
        pg_query__parse_result__free_unpacked(tree, nullptr);
    }
};
using Tree = std::unique_ptr<PgQuery__ParseResult, TreeDeleter>;

// Empty when the text cannot be parsed.
Tree parse(std::string_view sql) {
    const std::string terminated(sql);
    const PgQueryProtobufParseResult packed = pg_query_parse_protobuf(terminated.c_str());
    Tree tree;
    if (packed.error == nullptr) {
        tree.reset(pg_query__parse_result__unpack(
            nullptr, packed.parse_tree.len,
            reinterpret_cast<const uint8_t*>(packed.parse_tree.data)));
    }
    pg_query_free_protobuf_parse_result(packed);
    return tree;
}

bool is_worth_parsing(std::string_view word) {
    return std::any_of(
        std::begin(kWorthParsing), std::end(kWorthParsing), [word](std::string_view known) {
            return std::equal(word.begin(), word.end(), known.begin(), known.end(),
                              [](char c, char wanted) { return (c | 32) == wanted; });
        });
}

}  // namespace

Proof prove_read_only(std::string_view sql, size_t bytes_max) {
    if (sql.size() > bytes_max) return verdict(ProofKind::NotProven, ProofReason::TooLong);
    if (sql.find('\0') != std::string_view::npos)
        return verdict(ProofKind::NotProven, ProofReason::Unparsable);
    const SqlShape shape = shape_of(sql);
    if (shape.is_empty) return verdict(ProofKind::ReadOnly, ProofReason::Proven);
    if (!is_worth_parsing(shape.first_word))
        return verdict(ProofKind::NotProven, ProofReason::NotASelect, shape.first_word);
    if (shape.depth_bound > kParseDepthMax)
        return verdict(ProofKind::NotProven, ProofReason::TooDeep);
    const Tree tree = parse(sql);
    if (tree == nullptr) return verdict(ProofKind::NotProven, ProofReason::Unparsable);
    return prove_all(*tree);
}

bool parses_alike(std::string_view client_encoding, std::string_view standard_conforming_strings) {
    if (standard_conforming_strings != "on") return false;
    constexpr std::string_view kPrefixes[] = {"UTF8", "UNICODE",  "SQL_ASCII", "LATIN",
                                              "WIN",  "ISO_8859", "KOI8",      "EUC_"};
    return std::any_of(
        std::begin(kPrefixes), std::end(kPrefixes),
        [client_encoding](std::string_view known) { return client_encoding.starts_with(known); });
}

namespace {

struct ProofWords {
    std::string_view name;
    std::string_view text;
};

constexpr ProofWords kProofWords[] = {
    {"proven", "read-only by proof"},
    {"not_a_select", "no statement that is ever proven read-only"},
    {"read_write_block", "BEGIN without READ ONLY"},
    {"serializable", "a standby refuses SERIALIZABLE"},
    {"odd_block", "begins or ends a transaction amid several statements"},
    {"locking_clause", "locks rows"},
    {"select_into", "SELECT INTO makes a table"},
    {"data_modifying_cte", "a WITH query that writes"},
    {"unsafe_function", "calls a function that is volatile or not built in"},
    {"server_specific", "answers differently from server to server"},
    {"unknown_operator", "an operator that is not built in"},
    {"unknown_type", "a cast to a type that is not built in"},
    {"session_state", "a temporary schema"},
    {"unknown_syntax", "syntax that is not known to be read-only"},
    {"copy_elsewhere", "COPY other than TO STDOUT"},
    {"unparsable", "cannot be parsed"},
    {"too_long", "too long to be looked at"},
    {"too_deep", "nested too deeply to be looked at"},
};
static_assert(std::size(kProofWords) == static_cast<size_t>(ProofReason::kCount));

}  // namespace

std::string_view reason_text(ProofReason reason) {
    return kProofWords[static_cast<size_t>(reason)].text;
}

std::string_view reason_name(ProofReason reason) {
    return kProofWords[static_cast<size_t>(reason)].name;
}

}  // namespace weir
