#include "admin/metrics/collector.h"

#include <utility>
#include <vector>

namespace weir {

void collect_metrics(Inspector& inspector, std::function<void(std::string)> done) {
    inspector.census([&inspector, done = std::move(done)](std::vector<WorkerCensus> census) {
        inspector.health(
            [&inspector, done, census = std::move(census)](const HealthSnapshot& health) {
                const ConfigPtr config = inspector.config();
                const MetricsInput input{inspector, *config, census, health};
                Exposition out;
                collect_process(input, out);
                collect_workers(input, out);
                collect_pools(input, out);
                collect_backends(input, out);
                collect_limits(input, out);
                done(out.take_text());
            });
    });
}

}  // namespace weir
