// The rules of advice.cpp's table; its rows say what each warns of. Thread: main (pure functions).
#pragma once

#include "admin/explain/advice.h"

namespace weir {

// advice_access.cpp: who gets in, and what can be read by whom
void advise_trust(const Review& review, AdviceList& list);
void advise_clear_passwords(const Review& review, AdviceList& list);
void advise_clear_clients(const Review& review, AdviceList& list);
void advise_clear_servers(const Review& review, AdviceList& list);
void advise_unverified_servers(const Review& review, AdviceList& list);
void advise_readable_files(const Review& review, AdviceList& list);
void advise_md5(const Review& review, AdviceList& list);
void advise_plain_secrets(const Review& review, AdviceList& list);
void advise_socket_place(const Review& review, AdviceList& list);
void advise_admin_users(const Review& review, AdviceList& list);
void advise_stats_users(const Review& review, AdviceList& list);

// advice_sizes.cpp: how much of what
void advise_session_mode(const Review& review, AdviceList& list);
void advise_open_files(const Review& review, AdviceList& list);
void advise_server_connections(const Review& review, AdviceList& list);
void advise_unlimited_pool(const Review& review, AdviceList& list);
void advise_few_clients(const Review& review, AdviceList& list);
void advise_backlog(const Review& review, AdviceList& list);
void advise_workers(const Review& review, AdviceList& list);

// advice_habits.cpp: what programs do, and what lasts too long
void advise_endless_wait(const Review& review, AdviceList& list);
void advise_idle_transactions(const Review& review, AdviceList& list);
void advise_firewall(const Review& review, AdviceList& list);
void advise_keepalive(const Review& review, AdviceList& list);
void advise_server_lifetime(const Review& review, AdviceList& list);
void advise_float_digits(const Review& review, AdviceList& list);
void advise_prepared_statements(const Review& review, AdviceList& list);
void advise_reset_query(const Review& review, AdviceList& list);
void advise_log(const Review& review, AdviceList& list);
void advise_shared_port(const Review& review, AdviceList& list);

}  // namespace weir
