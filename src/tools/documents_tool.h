// Search in the tenant's own documents (store/document_index.h). What it finds is a stranger's text: the run is tainted by it.
#pragma once

#include <memory>

#include "store/store.h"
#include "tools/tool.h"

namespace firesteel {

// "documents": {"query", "n"?: 1 to 10}. Passages are numbered and named, so that an answer can cite them: "[1] lease.pdf, passage 2 (Notice): ...".
// The caller's owner is the tenant; without one there is nothing to search. The store outlives the tool.
std::shared_ptr<const AgentTool> make_documents(Store* store);

}  // namespace firesteel
