// The frozen base of a tuning run: a served model's weights as f32, whatever type the file has, in the layout of the trainer's network.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "checkpoint/checkpoint.h"
#include "tokenizer/chat_template.h"
#include "tokenizer/number_binding.h"
#include "tokenizer/tokenizer.h"
#include "train/network_shape.h"

namespace firesteel {

struct BaseModel {
  // vision: the model's part that sees, or null. kUnsupported names what the backward pass does not have: families other than Llama with
  // tied embeddings (biases, norms of q and k, experts, windows, scaled rope, an output matrix of its own), or weights that would need more
  // than memory_max bytes.
  static Result<BaseModel> open(std::shared_ptr<const Checkpoint> checkpoint, std::shared_ptr<const Checkpoint> vision, uint64_t memory_max);

  std::shared_ptr<const Checkpoint> checkpoint;
  NetworkShape shape;
  std::vector<float> weights;  // [plan_parameters(shape).n]
  std::unique_ptr<const Tokenizer> tokenizer;
  std::unique_ptr<const ChatTemplate> chat_template;
  std::shared_ptr<const NumberBinding> numbers;  // nullable
  std::string architecture;
  std::string digest;  // of the weights' bytes and the template: what an adapter was made on
};

}  // namespace firesteel
