// Goal: no configuration text, userlist or connection string makes the loader crash, hang or read
// outside. Method: the input is one file for everything: the configuration, its auth_file, and (to
// reach the reload rules) the next configuration; %include finds nothing. What loads must print and
// compare with itself.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "conf/diff.h"
#include "conf/entries.h"
#include "conf/loader.h"
#include "conf/option_table.h"
#include "conf/userlist.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string text(reinterpret_cast<const char*>(data), size);
    const weir::FileReader reader = [&text](const std::string& path) -> weir::Result<std::string> {
        if (path == "fuzz.ini" || path == "users") return text;
        return weir::fail("58P01", "no files here");
    };
    (void)weir::parse_connection_string(text);
    (void)weir::parse_userlist(text, "users");
    const weir::LoadResult first = weir::load_config_with("fuzz.ini", nullptr, reader);
    if ((first.config != nullptr) != first.errors.empty()) std::abort();
    if (!first.config) return 0;
    const weir::LoadResult second = weir::load_config_with("fuzz.ini", first.config.get(), reader);
    if (!second.config || !weir::diff(*first.config, *second.config).empty()) std::abort();
    weir::GlobalConfig again = first.config->global;
    for (const weir::ShowConfigRow& row : weir::show_config(first.config->global)) {
        if (row.value && !weir::set_option(again, *weir::find_option(row.key), *row.value)) {
            std::abort();
        }
    }
    return 0;
}
