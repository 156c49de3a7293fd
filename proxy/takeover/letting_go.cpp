#include "proxy/takeover/letting_go.h"

#include "proxy/session/cancel/cancels.h"
#include "proxy/session/clients.h"
#include "proxy/session/login/secret_lookups.h"
#include "proxy/session/servers.h"
#include "proxy/takeover/staying.h"

namespace weir {

namespace {

void close_copy(WorkerContext& worker, ServerConnection& server) {
    if (server.fd < 0) return;
    worker.io.remove(server.fd);
    worker.io.close(server.fd);
}

void let_go_of(WorkerContext& worker, const Staying& staying) {
    for (uint32_t slot = 0; slot < worker.clients_slab.capacity(); ++slot) {
        ClientSession& session = *worker.clients_slab.at(slot);
        if (!staying.stays(session)) worker.clients->let_go(session);
    }
    const std::vector<CancelConnection*> cancels = worker.cancels->in_hand();
    for (CancelConnection* cancel : cancels) {
        if (!staying.stays(*cancel)) worker.cancels->let_go(*cancel);
    }
    std::vector<ServerConnection*> gone;
    for (ServerConnection* server = worker.owned.front(); server != nullptr;
         server = worker.owned.next(*server)) {
        if (!staying.stays(*server)) gone.push_back(server);
    }
    for (ServerConnection* server : gone) {
        worker.owned.remove(*server);
        worker.deadlines.disarm(*server);
        worker.servers->let_go(*server);
        close_copy(worker, *server);
        server->pool->forget(*server);
    }
}

// An encrypted one is nobody else's: the server is told.
void let_go_of_idle(WorkerContext& worker, Pool& pool, ServerConnection& server) {
    if (!is_encrypted(server)) {
        close_copy(worker, server);
        return pool.forget(server);
    }
    pool.hand_over(server, worker.id);
    worker.owned.push_back(server);
    worker.servers->close(server, "another process has taken over");
}

}  // namespace

void let_go(std::span<WorkerContext* const> workers, Shared& shared) {
    const Staying staying(workers);
    for (WorkerContext* worker : workers)
        let_go_of(*worker, staying);
    shared.pools.for_each_pool([&](Pool& pool) {
        std::vector<ServerConnection*> idle;
        pool.take_all_idle(workers.front()->id, idle);
        for (ServerConnection* server : idle) {
            for (WorkerContext* worker : workers) {
                if (worker->id == server->registered_with) let_go_of_idle(*worker, pool, *server);
            }
        }
    });
    for (WorkerContext* worker : workers)
        worker->lookups->let_go();
}

}  // namespace weir
