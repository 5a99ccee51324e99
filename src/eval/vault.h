// Sealed suites: items encrypted one by one under an owner's key, opened only inside a run, and counted each time a model sees them.
//
// File: one JSON object a line. The first says name and count; each of the others holds a sealed text in Base64, authenticated together with
// the suite's random id and its place, so that none can be swapped, dropped or taken from another vault. Ids of items in reports are keyed
// hashes. Beside it FILE.exposures.json counts per model and item, by place; it has no content.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "eval/suite.h"

namespace firesteel {

inline constexpr const char* kSealedEnding = ".sealed";

// Makes the key's file (mode 0600) when there is none: true. kFailedPrecondition when others may read the one that is there.
Result<bool> make_vault_key(const std::string& path);

// The suite with its items. kUnsupported: pictures. kFailedPrecondition: `out` exists.
Status seal_vault(const Suite& suite, const std::string& key_path, const std::string& out);

// The first n_max items (-1: all); sealed is set. kUnauthenticated: another key; kDataLoss: touched bytes, with the line.
Result<Suite> open_vault(const std::string& path, const std::string& key_path, int64_t n_max);

// Adds one for each item of the suite, for the model of this digest. To be called before the items are shown.
Status count_exposure(const Suite& suite, const std::string& version);

struct VaultExposure {
  std::string version;       // digest of the model
  int64_t n_runs = 0;
  int64_t n_items = 0;       // shown at least once
  int64_t n_max = 0;         // how often the most shown one was
};
struct VaultInfo {
  std::string name;
  int64_t n_items = 0;
  std::vector<VaultExposure> exposures;
};
// What can be known without the key.
Result<VaultInfo> read_vault_info(const std::string& path);

}  // namespace firesteel
