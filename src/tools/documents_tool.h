// Search in the tenant's own documents (store/document_index.h). What it finds is a stranger's text: the run is tainted by it.
#pragma once

#include <memory>

#include "store/document_index.h"
#include "tools/tool.h"

namespace firesteel {

// `store` outlives the tool. `meaning`: of queries, where the model's embeddings are of use; may be empty.
std::shared_ptr<const AgentTool> make_documents(Store* store, MeaningFn meaning = {});

}  // namespace firesteel
