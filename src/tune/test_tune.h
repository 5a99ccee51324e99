// For tests: a small model in a quantised file, rows to tune it with, and the options of a short run.
#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "base/mapped_file.h"
#include "train/export_model.h"
#include "train/test_run.h"
#include "tune/tuner.h"

namespace firesteel::test_tune {

inline std::string bytes_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

// A model that knows nothing, in a quantised file, with Kindling's vocabulary of bytes.
struct SmallBase {
  TestFolder folder;
  NetworkShape shape = {.dim = 32, .n_layers = 2, .n_heads = 2, .n_kv_heads = 1, .head_dim = 16, .ffn_dim = 64, .context = 256, .vision = false, .patches = {2, 4, 4, 16}};
  std::string model = folder.path("base.gguf");

  explicit SmallBase(DType dtype = DType::kQ8_0) {
    const auto tokenizer = SampleEncoder::open(test_run::write_tokenizer(folder)).value();
    shape.n_vocab = tokenizer->n_vocab();
    const ParameterLayout layout = plan_parameters(shape);
    std::vector<float> weights(static_cast<size_t>(layout.n));
    init_parameters(layout, 3, weights.data());
    EXPECT_TRUE(export_model(shape, weights, tokenizer->file(), {.name = "small", .dtype = dtype, .run = ""}, model).ok());
  }
  BaseModel open() const { return BaseModel::open(Checkpoint::open(model).value(), nullptr).value(); }
  std::string write(const std::string& name, const std::string& text) const {
    EXPECT_TRUE(write_file_atomic(folder.path(name), text).ok());
    return folder.path(name);
  }
};

inline std::string additions(int n) {
  std::string rows;
  for (int i = 0; i < n; ++i) {
    rows += "{\"messages\": [{\"role\": \"user\", \"content\": \"Colour of thing " + std::to_string(i) + "?\"}, {\"role\": \"assistant\", \"content\": \"" +
            (i % 2 == 0 ? "even" : "odd") + "\"}]}\n";
  }
  return rows;
}

inline std::string preferences(int n) {
  std::string rows;
  for (int i = 0; i < n; ++i) rows += "{\"prompt\": \"Say it " + std::to_string(i) + "\", \"chosen\": \"please\", \"rejected\": \"no\"}\n";
  return rows;
}

inline TuneOptions options_for(const SmallBase& base, const std::string& name) {
  TuneOptions options;
  options.settings.lora = {.rank = 4, .alpha = 8};
  options.settings.epochs = 2;
  options.settings.batch = 4;
  options.settings.rate = 1e-2;
  options.settings.shard_tokens = 128;
  options.settings.lanes = 3;
  options.folder = base.folder.path(name);
  options.table = default_kernel_table().value();
  options.clock = &system_clock();
  return options;
}

}  // namespace firesteel::test_tune
