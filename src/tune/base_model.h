// The frozen base of a tuning run: a served model, its weights where they lie in the file, whatever block type they have.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "checkpoint/checkpoint.h"
#include "image/patches.h"
#include "model/config.h"
#include "model/weights.h"
#include "tokenizer/chat_template.h"
#include "tokenizer/number_binding.h"
#include "tokenizer/tokenizer.h"
#include "tune/lora_network.h"

namespace firesteel {

struct BaseModel {
  // vision: the model's part that sees, or null. kUnsupported names what the backward pass does not have: experts, windows, norms after
  // blocks, softcaps, activations other than SiLU; families: Llama, Mistral, Qwen 2, 2.5 and 3 (dense).
  static Result<BaseModel> open(std::shared_ptr<const Checkpoint> checkpoint, std::shared_ptr<const Checkpoint> vision);

  std::shared_ptr<const Checkpoint> checkpoint;
  ModelConfig config;
  ModelWeights weights;  // views into the checkpoint
  FrozenVision vision;
  bool sees = false;
  PatchParams patches;
  std::unique_ptr<const Tokenizer> tokenizer;
  std::unique_ptr<const ChatTemplate> chat_template;
  std::shared_ptr<const NumberBinding> numbers;  // nullable
  std::string digest;  // of the tensors' bytes and the template: what an adapter was made on
};

}  // namespace firesteel
