// What the trainer writes is what the engine serves: the same logits, for text and for pictures.
#include <gtest/gtest.h>

#include <cmath>

#include "forward_runner.h"
#include "model/vision.h"
#include "train/export_model.h"
#include "train/shard_workspace.h"
#include "train/test_run.h"

namespace firesteel {
namespace {

struct Exported {
  TestFolder folder;
  NetworkShape shape;
  std::vector<float> weights;
  std::unique_ptr<const SampleEncoder> encoder;

  // Weights as the file of this type holds them, so that rounding is not part of the comparison.
  explicit Exported(DType dtype) {
    const TrainConfig config = test_run::small_config(test_run::write_tokenizer(folder));
    encoder = SampleEncoder::open(config.tokenizer).value();
    shape = config.shape;
    shape.vision = true;
    shape.n_vocab = encoder->n_vocab();
    const ParameterLayout layout = plan_parameters(shape);
    weights.resize(static_cast<size_t>(layout.n));
    init_parameters(layout, 3, weights.data());
    CHECK(export_model(shape, weights, encoder->file(), {.name = "tiny", .dtype = dtype, .run = {}}, folder.path("tiny.gguf")).ok());
    bool vision = false;
    CHECK(import_model(shape, folder.path("tiny.gguf"), weights, &vision).ok() && vision);
  }

  // Of every token of the shard.
  std::vector<float> logits(Shard shard, TrainType type) const {
    shard.targets.clear();
    for (size_t i = 0; i < shard.tokens.size(); ++i) shard.targets.push_back({static_cast<int32_t>(i), 0});
    Network network(shape, *default_kernel_table().value(), type, {128, 128});
    Exec exec(1);
    network.pack(&exec, weights.data());
    ShardWorkspace workspace(network);
    std::vector<float> out(shard.tokens.size() * static_cast<size_t>(shape.n_vocab));
    network.logits(shard, weights.data(), &workspace, out.data());
    return out;
  }
};

Shard text_shard(const SampleEncoder& encoder) {
  Shard shard;
  const Sample sample = test_run::Additions(5).sample(1).value();
  append_sample(encoder.encode(sample, true, nullptr).value(), 0, 0, &shard);
  return shard;
}

// Root mean squares of the difference and of what is compared.
void expect_near(std::span<const float> found, std::span<const float> expected, double tolerance) {
  ASSERT_EQ(found.size(), expected.size());
  double error = 0, size = 0;
  for (size_t i = 0; i < found.size(); ++i) {
    error += std::pow(static_cast<double>(found[i] - expected[i]), 2);
    size += std::pow(static_cast<double>(expected[i]), 2);
  }
  EXPECT_GT(size, 0);
  EXPECT_LT(std::sqrt(error), tolerance * std::sqrt(size));
}

TEST(TrainExport, TheEngineComputesTheTrainersLogits) {
  struct Case {
    DType dtype;
    TrainType type;
    Precision precision;
    double tolerance;
  };
  // f32 throughout: some tens of roundings of 6e-8. bf16 operands, each rounded by up to 2^-9 in some ten products one after the other,
  // and by the engine at other places than by the trainer.
  for (const Case& c : {Case{DType::kF32, kTrainF32, Precision::kHigh, 2e-6}, Case{DType::kBF16, kTrainF32, Precision::kHigh, 2e-6},
                        Case{DType::kQ8_0, kTrainF32, Precision::kHigh, 2e-6}, Case{DType::kBF16, kTrainBf16, Precision::kFast, 1.5e-2}}) {
    const Exported exported(c.dtype);
    const Shard shard = text_shard(*exported.encoder);
    ForwardRunner runner(load_model(exported.folder.path("tiny.gguf"), c.precision), {});
    const std::vector<TokenId> tokens(shard.tokens.begin(), shard.tokens.end());
    expect_near(runner.run(0, tokens), exported.logits(shard, c.type), c.tolerance);
  }
}

TEST(TrainExport, PicturesBecomeTheSameRows) {
  const Exported exported(DType::kF32);
  const auto file = Checkpoint::open(exported.folder.path("tiny.mmproj.gguf"));
  ASSERT_TRUE(file.ok()) << file.error().message;
  const auto vision = VisionModel::load(*file);
  ASSERT_TRUE(vision.ok()) << vision.error().message;
  EXPECT_EQ((*vision)->dim(), exported.shape.dim);
  const test_run::Additions source(5, true);
  const Sample sample = source.sample(3).value();
  const EncodedSample encoded = exported.encoder->encode(sample, true, &exported.shape.patches).value();
  ASSERT_EQ(encoded.patches.size(), 6u);
  const std::vector<float> rows = (*vision)->embed(sample.images[0], *default_kernel_table().value());
  // A text model whose embeddings of six tokens are these rows is the same as a model that sees the picture.
  Exported text = Exported(DType::kF32);
  Shard with_picture, with_tokens;
  append_sample(encoded, 0, 0, &with_picture);
  with_tokens = with_picture;
  with_tokens.patches.clear();
  with_tokens.patch_values.clear();
  int32_t spare = 0;  // bytes that the text does not use
  for (const ShardPatch& patch : with_picture.patches) {
    while (std::find(with_picture.tokens.begin(), with_picture.tokens.end(), spare) != with_picture.tokens.end()) ++spare;
    with_tokens.tokens[static_cast<size_t>(patch.position)] = spare;
    const size_t k = static_cast<size_t>(&patch - with_picture.patches.data());
    std::copy_n(rows.begin() + static_cast<ptrdiff_t>(k) * text.shape.dim, text.shape.dim, text.weights.begin() + spare * text.shape.dim);
    ++spare;
  }
  const std::vector<float> seen = exported.logits(with_picture, kTrainF32), told = text.logits(with_tokens, kTrainF32);
  // Those tokens are outputs, too, where the two differ: compare the logits of the others.
  for (size_t t = 0; t < with_picture.tokens.size(); ++t) {
    for (size_t v = 300; v < static_cast<size_t>(text.shape.n_vocab); ++v) {
      const size_t i = t * static_cast<size_t>(text.shape.n_vocab) + v;
      ASSERT_NEAR(seen[i], told[i], 2e-5) << t << " " << v;
    }
  }
}

}  // namespace
}  // namespace firesteel
