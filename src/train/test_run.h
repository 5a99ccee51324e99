// For tests: a small run. Additions as samples, a vocabulary of bytes, a network of some ten thousand parameters.
#pragma once

#include <string>

#include "base/rng.h"
#include "checkpoint/gguf_writer.h"
#include "checkpoint/test_files.h"
#include "kernels/dispatch.h"
#include "schema/sample.h"
#include "tokenizer/test_kindling.h"
#include "train/trainer.h"

namespace firesteel::test_run {

class Additions : public SampleSource {
 public:
  explicit Additions(uint64_t seed, bool pictures = false) : seed_(seed), pictures_(pictures) {}

  Result<Sample> sample(uint64_t index) const override {
    Rng rng(seed_ * 1000003 + index);
    const int64_t a = rng.between(0, 9), b = rng.between(10, 19);
    Sample sample;
    sample.kind = index % 3 == 0 ? "pictures/addition" : "math/addition";
    sample.messages = {{"user", "Add " + std::to_string(a) + " and " + std::to_string(b) + "."}};
    sample.target = "Answer: " + std::to_string(a + b);
    sample.thinking = index % 2 == 0;
    if (pictures_ && index % 3 == 0) {
      RgbImage image{12, 8, {}};
      for (int i = 0; i < 12 * 8 * 3; ++i) image.pixels.push_back(static_cast<uint8_t>(rng.below(256)));
      sample.images.push_back(std::move(image));
      sample.messages[0].images = {0};
    }
    return sample;
  }

 private:
  uint64_t seed_;
  bool pictures_;
};

inline std::string write_tokenizer(const TestFolder& folder) {
  testing_kindling::SmallKindling small;
  const std::string path = folder.path("tokenizer.gguf"), source = testing_kindling::template_source();
  GgufWriter writer = GgufWriter::create(path).value();
  writer.add("general.architecture", std::string_view("llama"));
  for (const auto& [key, value] : small.metadata.items()) writer.add(key, value);
  writer.add("tokenizer.chat_template", std::string_view(source));
  CHECK(writer.begin().ok() && writer.commit().ok());
  return path;
}

inline TrainConfig small_config(const std::string& tokenizer) {
  TrainConfig c;
  c.name = "small";
  c.tokenizer = tokenizer;
  c.shape = {.dim = 32, .n_layers = 2, .n_heads = 2, .n_kv_heads = 1, .head_dim = 16, .ffn_dim = 48, .context = 128, .vision = false, .patches = {2, 4, 4, 16}};
  c.n_tokens = 200 * 128;
  c.shard_tokens = 128;
  c.n_shards = 2;
  c.n_lanes = 2;
  c.rate = 5e-3;
  c.warmup_tokens = 1000;
  c.eval_samples = 8;
  c.eval_every_tokens = 5000;
  c.save_every_tokens = 5000;
  return c;
}

struct SmallRun {
  TrainerOptions options;
  std::unique_ptr<const SampleEncoder> encoder;
  Additions source{1}, eval{2};

  SmallRun(const TestFolder& folder, const std::string& name, const std::string& isa = "") {
    options.config = small_config(write_tokenizer(folder));
    encoder = SampleEncoder::open(options.config.tokenizer).value();
    options.config.shape.n_vocab = encoder->n_vocab();
    options.folder = folder.path(name);
    options.table = kernel_table(isa).value();
    options.clock = &system_clock();
  }
  Result<TrainResult> go() { return train(options, source, &eval, *encoder); }
};

}  // namespace firesteel::test_run
