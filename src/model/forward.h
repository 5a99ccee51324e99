// One step: a batch of token rows through all layers. Reads top to bottom in forward.cc.
#pragma once

#include "kernels/exec.h"
#include "kernels/matmul.h"
#include "kernels/table.h"
#include "model/config.h"
#include "model/model.h"
#include "model/weights.h"
#include "model/workspace.h"

namespace firesteel {

// What a step reads.
struct ForwardModel {
  const ModelConfig& config;
  const ModelWeights& weights;
  Precision precision;
};

// As Model::forward.
void run_forward(const ForwardModel& model, Exec* exec, const KernelTable& table, ForwardWorkspace* workspace, const KvLayout& layout,
                 const ForwardBatch& batch, float* logits);

}  // namespace firesteel
