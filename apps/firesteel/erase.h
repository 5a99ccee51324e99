// One erasure for everything about one person: the store's records, dataset versions with their rows, adapters that were trained on those,
// variants that use such an adapter.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "release/registry.h"
#include "store/store.h"
#include "tenants/tenants.h"

namespace firesteel {

struct EraseWork {
  std::string datasets = {};                 // folder of the dataset store; need not be there
  std::vector<std::string> adapters = {};    // folders to look for adapters in; need not be there
  std::string user = {};                     // an id of the installation (usr_...), or whatever datasets call a person
  std::string tenant = {};                   // datasets: only rows of this tenant; empty: of any
  bool dry_run = false;
};

// store and tenants: both, or null where there is no installation; then files only. The report: {"user", "dry_run", "records": {kind: rows}, "versions": [{"dataset", "digest", "rows",
// "replaced_by"}], "adapters": [{"file", "dataset", "digest"}], "variants": [{"name", "number", "digest", "now"}]}; `now` says what became of it. Files first, then variants, then
// records, so that whoever was interrupted runs it again and nothing is missed: what the first two are found by goes last. Audited as data.erase.
Result<Json> erase_person(Store* store, Tenants* tenants, const EraseWork& work, const Actor& actor);

}  // namespace firesteel
