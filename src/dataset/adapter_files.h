// Adapters that were trained on a dataset version: files that name its digest in their metadata.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace firesteel {

struct AdapterUse {
  std::string path = {};    // the GGUF file, or the folder of a PEFT adapter
  std::string digest = {};  // of the version that it names
};

// Looks through these folders (8 levels deep, 100,000 entries at most) for *.gguf files and folders with adapter_config.json. A file counts when
// one of the digests, 64 hex digits, stands in its first 4 MiB, where GGUF keeps its metadata, or in one of the folder's small JSON files.
Result<std::vector<AdapterUse>> find_adapters_of(const std::vector<std::string>& folders, const std::vector<std::string>& digests);

// Renames it to PATH.retired, so that nothing loads it by its name, and writes PATH.retired.json with the reason. Again: nothing to do.
Status retire_adapter(const AdapterUse& use, const std::string& reason);

}  // namespace firesteel
