#include "model/vision.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <map>
#include <string>

#include "base/rng.h"
#include "checkpoint/gguf_writer.h"
#include "kernels/dispatch.h"

namespace firesteel {
namespace {

// A small vision file that a test can spoil.
class File {
 public:
  std::string architecture = "kindling-vision";
  std::map<std::string, int64_t> keys = {{"patch_size", 4}, {"pixels_per_patch", 5}, {"max_side", 16}, {"max_patches", 30}, {"dim", 32}};
  std::map<std::string, std::vector<int64_t>> shapes = {
      {"v.patch.weight", {48, 32}}, {"v.patch.bias", {32}}, {"v.norm.weight", {32}}, {"v.row.weight", {32, 16}}, {"v.column.weight", {32, 16}}};
  DType dtype = DType::kF32;
  std::map<std::string, std::vector<float>> values = {};  // filled by load

  Result<std::shared_ptr<const VisionModel>> load() {
    const std::string path = (std::filesystem::temp_directory_path() / ("firesteel-vision-" + std::to_string(getpid()) + ".gguf")).string();
    auto writer = GgufWriter::create(path).value();
    writer.add("general.architecture", std::string_view(architecture));
    for (const auto& [key, value] : keys) writer.add("kindling.vision." + key, value);
    for (const auto& [name, shape] : shapes) writer.add_tensor(name, dtype, shape);
    EXPECT_TRUE(writer.begin().ok());
    Rng rng(8);
    for (const auto& [name, shape] : shapes) {
      size_t n = 1;
      for (const int64_t extent : shape) n *= static_cast<size_t>(extent);
      std::vector<float>& data = values[name];
      data.clear();
      for (size_t i = 0; i < n; ++i) data.push_back(static_cast<float>(rng.normal() * 0.3));
      if (dtype == DType::kF32) {
        EXPECT_TRUE(writer.write(std::as_bytes(std::span(data))).ok());
      } else {
        EXPECT_TRUE(writer.write(std::vector<std::byte>(n / 32 * row_bytes(dtype, 32))).ok());
      }
    }
    EXPECT_TRUE(writer.commit().ok());
    auto checkpoint = Checkpoint::open(path);
    std::remove(path.c_str());  // it stays mapped
    if (!checkpoint.ok()) return checkpoint.error();
    return VisionModel::load(*checkpoint);
  }
};

RgbImage noise_image(int32_t width, int32_t height) {
  RgbImage image{width, height, {}};
  image.pixels.resize(image.offset(0, height));
  Rng rng(2);
  for (uint8_t& value : image.pixels) value = static_cast<uint8_t>(rng.below(256));
  return image;
}

TEST(VisionModel, RowsFollowTheFormula) {
  File file;
  const auto model = file.load();
  ASSERT_TRUE(model.ok()) << model.error().message;
  const RgbImage image = noise_image(23, 14);
  const PatchGrid grid = (*model)->plan(image);
  ASSERT_EQ(grid.columns, 5);
  ASSERT_EQ(grid.rows, 3);
  const KernelTable table = generic_table();
  const std::vector<float> rows = (*model)->embed(image, table);
  ASSERT_EQ(rows.size(), 15u * 32u);
  std::vector<float> patches(15 * 48);
  make_patches(image, grid, (*model)->params(), patches);
  for (size_t p = 0; p < 15; ++p) {
    double projected[32];
    double squares = 0;
    for (size_t d = 0; d < 32; ++d) {
      double sum = static_cast<double>(file.values["v.patch.bias"][d]);
      for (size_t k = 0; k < 48; ++k) sum += static_cast<double>(file.values["v.patch.weight"][d * 48 + k]) * static_cast<double>(patches[p * 48 + k]);
      projected[d] = sum;
      squares += sum * sum;
    }
    for (size_t d = 0; d < 32; ++d) {
      const double expected = projected[d] / std::sqrt(squares / 32 + 1e-5) * static_cast<double>(file.values["v.norm.weight"][d]) +
                              static_cast<double>(file.values["v.row.weight"][p / 5 * 32 + d]) + static_cast<double>(file.values["v.column.weight"][p % 5 * 32 + d]);
      // 48 products of f32, then a norm: errors of a few units in the last place of values around 1.
      ASSERT_NEAR(static_cast<double>(rows[p * 32 + d]), expected, 2e-5);
    }
  }
  EXPECT_EQ((*model)->n_parameters(), 48 * 32 + 2 * 32 + 2 * 16 * 32);
}

TEST(VisionModel, EveryInstructionSetHasTheSameBytes) {
  File file;
  const auto model = file.load().value();
  const RgbImage image = noise_image(60, 60);
  const auto generic = model->embed(image, generic_table());
  EXPECT_EQ(generic, model->embed(image, **default_kernel_table()));
  EXPECT_EQ(generic, model->embed(image, generic_table()));
}

TEST(VisionModel, EveryTensorAndShapeIsChecked) {
  for (const auto& [name, shape] : File().shapes) {
    File missing;
    missing.shapes.erase(name);
    const auto without = missing.load();
    ASSERT_FALSE(without.ok()) << name;
    EXPECT_EQ(without.error().code, ErrorCode::kDataLoss);
    EXPECT_NE(without.error().message.find("\"" + name + "\": expected ["), std::string::npos) << without.error().message;
    for (size_t i = 0; i <= shape.size(); ++i) {
      File other;
      if (i == shape.size()) {
        other.shapes[name].push_back(2);
      } else {
        other.shapes[name][i] += 1;
      }
      const auto loaded = other.load();
      ASSERT_FALSE(loaded.ok()) << name;
      EXPECT_EQ(loaded.error().code, ErrorCode::kDataLoss) << loaded.error().message;
      EXPECT_NE(loaded.error().message.find(name), std::string::npos) << loaded.error().message;
    }
  }
  File quantised;
  quantised.keys["dim"] = 64;
  quantised.keys["patch_size"] = 8;
  quantised.shapes = {{"v.patch.weight", {192, 64}}, {"v.patch.bias", {64}}, {"v.norm.weight", {64}}, {"v.row.weight", {64, 16}}, {"v.column.weight", {64, 16}}};
  quantised.dtype = DType::kQ8_0;
  EXPECT_EQ(quantised.load().error().code, ErrorCode::kUnsupported);
}

TEST(VisionModel, EveryKeyIsChecked) {
  for (const auto& [key, value] : File().keys) {
    File missing;
    missing.keys.erase(key);
    EXPECT_NE(missing.load().error().message.find("kindling.vision." + key), std::string::npos);
    for (const int64_t absurd : {int64_t{0}, int64_t{-1}, int64_t{1} << 40}) {
      File other;
      other.keys[key] = absurd;
      const auto loaded = other.load();
      ASSERT_FALSE(loaded.ok()) << key << " " << absurd;
      EXPECT_NE(loaded.error().message.find("kindling.vision." + key), std::string::npos) << loaded.error().message;
    }
  }
  File other;
  other.architecture = "clip";
  EXPECT_EQ(other.load().error().code, ErrorCode::kUnsupported);
}

}  // namespace
}  // namespace firesteel
