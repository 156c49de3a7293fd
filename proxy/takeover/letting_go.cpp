#include "proxy/takeover/letting_go.h"

#include "proxy/session/cancels.h"
#include "proxy/session/clients.h"
#include "proxy/session/servers.h"
#include "proxy/takeover/staying.h"

namespace weir {

void let_go(std::span<WorkerContext* const> workers, Shared& shared) {
    for (WorkerContext* worker : workers) {
        for (uint32_t slot = 0; slot < worker->clients_slab.capacity(); ++slot) {
            ClientSession& session = *worker->clients_slab.at(slot);
            if (!stays(session)) worker->clients->let_go(session);
        }
        worker->cancels->let_go();
        std::vector<ServerConnection*> gone;
        for (ServerConnection* server = worker->owned.front(); server != nullptr;
             server = worker->owned.next(*server)) {
            if (!stays(*server)) gone.push_back(server);
        }
        for (ServerConnection* server : gone) {
            worker->owned.remove(*server);
            worker->deadlines.disarm(*server);
            if (server->fd >= 0) {
                worker->io.remove(server->fd);
                worker->io.close(server->fd);
            }
            server->pool->forget(*server);
        }
        worker->servers->let_go();
    }
    shared.pools.for_each_pool([&](Pool& pool) {
        std::vector<ServerConnection*> idle;
        pool.take_all_idle(workers.front()->id, idle);
        for (ServerConnection* server : idle) {
            for (WorkerContext* worker : workers) {
                if (worker->id != server->registered_with) continue;
                worker->io.remove(server->fd);
                worker->io.close(server->fd);
            }
            pool.forget(*server);
        }
    });
}

}  // namespace weir
