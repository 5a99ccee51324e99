// Kernels of training: generic against double, every other column against generic.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "base/rng.h"
#include "kernels/dispatch.h"
#include "kernels/table.h"
#include "tensor/half.h"

namespace firesteel {
namespace {

constexpr uint64_t kSeed = 4711;
using Floats = std::vector<float>;  // exactly as long as needed: the sanitizer sees a read beyond

Floats random_floats(int64_t n, Rng* rng) {
  Floats values(static_cast<size_t>(n));
  for (float& value : values) value = static_cast<float>(rng->normal());
  return values;
}

bool same_bytes(const void* a, const void* b, size_t n_bytes) { return n_bytes == 0 || std::memcmp(a, b, n_bytes) == 0; }
bool same_bytes(const Floats& a, const Floats& b) { return same_bytes(a.data(), b.data(), a.size() * sizeof(float)); }

class TrainKernelsIsa : public testing::TestWithParam<std::string> {
 protected:
  const KernelTable generic_ = generic_table();
  const KernelTable& table_ = **kernel_table(GetParam());
};

// Operands of a product of k values: rows [n_rows][k] and one panel, from the same floats in both precisions.
struct Operands {
  TrainType type;
  int64_t k;
  std::vector<std::byte> rows, columns, panel;
  Floats a, b;  // as rounded: [n_rows][k], [width][k]

  Operands(const KernelTable& table, TrainType t, int64_t n_rows, int width, int64_t n_k, Rng* rng) : type(t), k(n_k) {
    const size_t size = t == kTrainBf16 ? 2 : 4;
    const int64_t units = t == kTrainBf16 ? n_k / 2 : n_k;
    a = random_floats(n_rows * k, rng);
    b = random_floats(width * k, rng);
    rows.resize(a.size() * size);
    columns.resize(b.size() * size);
    panel.resize(static_cast<size_t>(units * kTrainPanel) * 4);
    const TrainTypeKernels& typed = table.train.type[t];
    typed.store(a.data(), n_rows * k, rows.data());
    typed.store(b.data(), width * k, columns.data());
    typed.load(rows.data(), n_rows * k, a.data());
    typed.load(columns.data(), width * k, b.data());
    typed.pack_transposed(columns.data(), k, width, k, panel.data());
  }
};

TEST_P(TrainKernelsIsa, ProductsAreTheSumsOfTheirTerms) {
  Rng rng(kSeed);
  for (const TrainType type : {kTrainBf16, kTrainF32}) {
    for (const int64_t n_rows : {1, 2, 13, 14, 15, 28, 33}) {
      for (const int width : {1, 8, 15, 16, 17, 31, 32}) {
        const int64_t k = 2 + 2 * rng.between(0, 40);
        const Operands o(generic_, type, n_rows, width, k, &rng);
        const int64_t units = type == kTrainBf16 ? k / 2 : k, ldc = width;  // exactly as wide as it has to be
        Floats c = random_floats(n_rows * ldc, &rng), expected = c;
        const Floats before = c;
        for (const int accumulate : {0, 1}) {
          table_.train.type[type].mul(o.rows.data(), units, 1, n_rows, o.panel.data(), units, c.data(), ldc, width, accumulate);
          generic_.train.type[type].mul(o.rows.data(), units, 1, n_rows, o.panel.data(), units, expected.data(), ldc, width, accumulate);
          ASSERT_TRUE(same_bytes(c, expected)) << "type " << type << " rows " << n_rows << " width " << width << " k " << k << " seed " << kSeed;
          if (accumulate == 1) continue;
          for (int64_t r = 0; r < n_rows; ++r) {
            for (int64_t j = 0; j < width; ++j) {
              double sum = 0, size = 0;
              for (int64_t i = 0; i < k; ++i) {
                const double term = static_cast<double>(o.a[static_cast<size_t>(r * k + i)]) * static_cast<double>(o.b[static_cast<size_t>(j * k + i)]);
                sum += term;
                size += std::fabs(term);
              }
              ASSERT_NEAR(static_cast<double>(c[static_cast<size_t>(r * ldc + j)]), sum, size * static_cast<double>(k) * 6e-8);
            }
          }
        }
      }
    }
  }
}

// The other layout: contraction over rows, as for the gradients of weights. An odd last row is completed with zeros.
TEST_P(TrainKernelsIsa, PanelsOfRowsGiveTransposedProducts) {
  Rng rng(kSeed + 1);
  for (const TrainType type : {kTrainBf16, kTrainF32}) {
    const size_t size = type == kTrainBf16 ? 2 : 4;
    const TrainTypeKernels &typed = table_.train.type[type], &reference = generic_.train.type[type];
    for (const int64_t n_k : {1, 2, 3, 32, 45}) {
      for (const int width : {1, 16, 31, 32}) {
        const int64_t ld = width + 2 * rng.between(0, 3);
        const Floats x = random_floats((n_k - 1) * ld + width, &rng);
        std::vector<std::byte> rows(x.size() * size);
        reference.store(x.data(), static_cast<int64_t>(x.size()), rows.data());
        const int64_t units = type == kTrainBf16 ? (n_k + 1) / 2 : n_k;
        std::vector<std::byte> panel(static_cast<size_t>(units * kTrainPanel) * 4, std::byte{0xFF}), expected_panel = panel;
        typed.pack(rows.data(), ld, n_k, width, panel.data());
        reference.pack(rows.data(), ld, n_k, width, expected_panel.data());
        ASSERT_TRUE(same_bytes(panel.data(), expected_panel.data(), panel.size())) << "type " << type << " k " << n_k << " width " << width;
        Floats c(static_cast<size_t>(width) * kTrainPanel), expected = c;
        typed.mul(panel.data(), 1, kTrainPanel, width, panel.data(), units, c.data(), kTrainPanel, kTrainPanel, 0);
        reference.mul(panel.data(), 1, kTrainPanel, width, panel.data(), units, expected.data(), kTrainPanel, kTrainPanel, 0);
        ASSERT_TRUE(same_bytes(c, expected));
        double sum = 0;
        for (int64_t k = 0; k < n_k; ++k) {
          float v = 0;
          reference.load(rows.data() + static_cast<size_t>(k * ld) * size, 1, &v);
          sum += static_cast<double>(v) * static_cast<double>(v);
        }
        EXPECT_NEAR(static_cast<double>(c[0]), sum, 1e-5 * sum);
        if (width < kTrainPanel) {
          EXPECT_EQ(c[static_cast<size_t>(width)], 0.0f);
        }
      }
    }
  }
}

TEST_P(TrainKernelsIsa, RowsHaveTheBytesOfGeneric) {
  Rng rng(kSeed + 2);
  const TrainKernels &t = table_.train, &g = generic_.train;
  for (const int64_t n : {1, 2, 15, 16, 17, 33, 100, 1000}) {
    const Floats x = random_floats(n, &rng), y = random_floats(n, &rng), z = random_floats(n, &rng);
    const auto outputs = [&](const TrainKernels& k) {
      std::vector<Floats> out(12, Floats(static_cast<size_t>(n)));
      const float inv = k.norm(out[0].data(), x.data(), y.data(), n, 1e-5f);
      out[1] = z;
      k.norm_backward(out[1].data(), out[2].data(), z.data(), x.data(), y.data(), inv, n);
      k.swiglu_backward(out[3].data(), out[4].data(), out[5].data(), x.data(), y.data(), z.data(), n);
      out[6] = x;
      k.softmax(out[6].data(), n - n / 3, n, 0.25f);
      out[7] = y;
      k.softmax_backward(out[7].data(), out[6].data(), n - n / 3, n, 0.25f);
      out[8] = x;
      int hit = 0;
      const double loss = k.cross_entropy(out[8].data(), n, n / 2, 0.5f, &hit);
      out[9] = x;
      out[10] = y;
      for (size_t i = 0; i < out[11].size(); ++i) out[11][i] = std::fabs(z[i]);
      const float p[kAdamParams] = {0.5f, 0.9f, 0.98f, 1e-8f, 1e-3f, 0.1f, 1.5f, 2.5f};
      k.adamw(out[9].data(), out[10].data(), out[11].data(), z.data(), n, p);
      out.push_back({inv, static_cast<float>(loss), static_cast<float>(hit), static_cast<float>(k.sum_squares(x.data(), n))});
      return out;
    };
    const std::vector<Floats> found = outputs(t), expected = outputs(g);
    for (size_t i = 0; i < found.size(); ++i) ASSERT_TRUE(same_bytes(found[i], expected[i])) << "output " << i << " n " << n << " seed " << kSeed;
  }
}

TEST_P(TrainKernelsIsa, ProbabilitiesAndLosses) {
  Floats scores = {1, 2, 3, 1000, 1000};
  table_.train.softmax(scores.data(), 3, 5, 1.0f);
  EXPECT_NEAR(static_cast<double>(scores[2]), std::exp(3.0) / (std::exp(1.0) + std::exp(2.0) + std::exp(3.0)), 1e-6);
  EXPECT_EQ(scores[3], 0.0f);
  Floats logits = {0.5f, -1, 2, 0};
  int hit = 0;
  const double total = std::exp(0.5) + std::exp(-1.0) + std::exp(2.0) + 1;
  EXPECT_NEAR(table_.train.cross_entropy(logits.data(), 4, 2, 1.0f, &hit), std::log(total) - 2, 1e-6);
  EXPECT_EQ(hit, 1);
  EXPECT_NEAR(static_cast<double>(logits[2]), std::exp(2.0) / total - 1, 1e-6);
  EXPECT_NEAR(static_cast<double>(logits[3]), 1 / total, 1e-6);
}

TEST_P(TrainKernelsIsa, Bf16IsRoundedToNearestEven) {
  Rng rng(kSeed + 3);
  Floats x = random_floats(1003, &rng);
  for (const uint32_t bits : {0u, 0x80000000u, 0x3F808000u, 0x3F818000u, 0x7F800000u, 0xFF800000u, 0x7FC00000u, 0x7F7FFFFFu, 0x00000001u, 0x7FFFFFFFu}) {
    x.push_back(__builtin_bit_cast(float, bits));
  }
  std::vector<uint16_t> out(x.size());
  table_.train.type[kTrainBf16].store(x.data(), static_cast<int64_t>(x.size()), out.data());
  for (size_t i = 0; i < x.size(); ++i) EXPECT_EQ(out[i], f32_to_bf16(x[i])) << x[i];
}

INSTANTIATE_TEST_SUITE_P(Columns, TrainKernelsIsa, testing::ValuesIn(available_isas()), [](const auto& test) { return test.param; });

}  // namespace
}  // namespace firesteel
