// The driver: against a naive product in f64, and the same bytes for any number of threads, columns and neighbours.
#include "kernels/matmul.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "kernels/dispatch.h"
#include "kernels/test_weights.h"
#include "tensor/quantise.h"

namespace firesteel {
namespace {

constexpr uint64_t kSeed = 4711;

struct Problem {
  DType dtype;
  int64_t n_rows, k, n;
  std::vector<uint8_t> weights;
  std::vector<float> x, bias, residual;

  Problem(DType type, int64_t rows, int64_t length, int64_t columns, uint64_t seed) : dtype(type), n_rows(rows), k(length), n(columns) {
    Rng rng(seed);
    weights = random_weights(type, rows, length, &rng);
    const auto normals = [&rng](int64_t count) {
      std::vector<float> values(static_cast<size_t>(count));
      for (float& value : values) value = static_cast<float>(rng.normal());
      return values;
    };
    x = normals(columns * length);
    bias = normals(rows);
    residual = normals(columns * rows);
  }
  WeightView view() const { return {dtype, reinterpret_cast<const std::byte*>(weights.data()), n_rows, k}; }
};

// Product of the columns in `index` (all when empty), with bias and residual.
std::vector<float> run(Exec* exec, const KernelTable& table, const Problem& p, Precision precision, const std::vector<int32_t>& index = {}) {
  const auto n = index.empty() ? p.n : static_cast<int64_t>(index.size());
  Activations acts;
  acts.set(exec, table, act_kind(p.dtype, precision), p.x.data(), p.k, index.empty() ? nullptr : index.data(), n, p.k);
  std::vector<float> out(static_cast<size_t>(n * p.n_rows));
  for (int64_t i = 0; i < n; ++i) {
    const int64_t column = index.empty() ? i : index[static_cast<size_t>(i)];
    std::memcpy(out.data() + i * p.n_rows, p.residual.data() + column * p.n_rows, static_cast<size_t>(p.n_rows) * 4);
  }
  const MatmulJob job = {p.view(), out.data(), p.n_rows, p.bias.data(), true};
  matmul(exec, table, acts, {&job, 1});
  return out;
}

int64_t short_length(DType dtype) { return dtype_info(dtype).block_elems == 256 ? 512 : is_quantised(dtype) ? 352 : 301; }

class MatmulIsa : public testing::TestWithParam<std::string> {
 protected:
  const KernelTable& table_ = **kernel_table(GetParam());
};

TEST_P(MatmulIsa, EqualsANaiveProduct) {
  Exec exec(2);
  for (int type = 0; type < kNDTypes; ++type) {
    for (const Precision precision : {Precision::kFast, Precision::kHigh}) {
      const auto dtype = static_cast<DType>(type);
      const Problem p(dtype, 37, short_length(dtype), 14, kSeed + static_cast<uint64_t>(type));
      const std::vector<float> actual = run(&exec, table_, p, precision);
      std::vector<float> row(static_cast<size_t>(p.k));
      for (int64_t r = 0; r < p.n_rows; ++r) {
        dequantise_row(dtype, p.weights.data() + static_cast<size_t>(r) * row_bytes(dtype, p.k), row.data(), p.k);
        for (int64_t c = 0; c < p.n; ++c) {
          double sum = 0, magnitude = 0, act_error = 0;
          for (int64_t k = 0; k < p.k; ++k) {
            const double w = static_cast<double>(row[static_cast<size_t>(k)]), a = static_cast<double>(p.x[static_cast<size_t>(c * p.k + k)]);
            sum += w * a;
            magnitude += std::fabs(w) * std::fabs(a);
            // int8: half a step of the block's scale. bf16: 8 significant bits, so a relative half step of 2^-9.
            double step = 0;
            if (act_kind(dtype, precision) == ActKind::kInt8) {
              float amax = 0;
              for (int64_t i = k / 32 * 32; i < k / 32 * 32 + 32; ++i) amax = std::max(amax, std::fabs(p.x[static_cast<size_t>(c * p.k + i)]));
              step = static_cast<double>(amax) / 127 / 2 * 1.0001;
            }
            if (act_kind(dtype, precision) == ActKind::kBF16) step = std::fabs(a) * 0x1.0p-9;
            act_error += std::fabs(w) * step;
          }
          const auto at = static_cast<size_t>(c * p.n_rows + r);
          sum += static_cast<double>(p.bias[static_cast<size_t>(r)]) + static_cast<double>(p.residual[at]);
          // Accumulation: every addition rounds a partial sum that is at most a few times the magnitude; minima cancel d*q.
          const double tolerance = act_error + 8 * static_cast<double>(p.k) * 0x1.0p-24 * (magnitude + 4);
          ASSERT_NEAR(static_cast<double>(actual[at]), sum, tolerance) << dtype_info(dtype).name << " row " << r << " column " << c;
        }
      }
    }
  }
}

TEST_P(MatmulIsa, SameBytesForAnyThreadsColumnsAndNeighbours) {
  Exec one(1), two(2), three(3);
  Rng rng(kSeed);
  for (int type = 0; type < kNDTypes; ++type) {
    for (const Precision precision : {Precision::kFast, Precision::kHigh}) {
      const auto dtype = static_cast<DType>(type);
      const Problem p(dtype, 150, short_length(dtype), 30, kSeed + 100 + static_cast<uint64_t>(type));
      const std::vector<float> all = run(&one, table_, p, precision);
      EXPECT_EQ(run(&two, table_, p, precision), all) << dtype_info(dtype).name;
      EXPECT_EQ(run(&three, table_, p, precision), all) << dtype_info(dtype).name;
      for (const size_t n : {size_t{1}, size_t{2}, size_t{5}, size_t{13}}) {
        std::vector<int32_t> index;
        for (size_t i = 0; i < n; ++i) index.push_back(static_cast<int32_t>(rng.below(30)));
        const std::vector<float> some = run(&two, table_, p, precision, index);
        for (size_t i = 0; i < n; ++i) {
          ASSERT_EQ(std::memcmp(some.data() + static_cast<int64_t>(i) * p.n_rows, all.data() + index[i] * p.n_rows, static_cast<size_t>(p.n_rows) * 4), 0)
              << dtype_info(dtype).name << " n " << n << " column " << index[i];
        }
      }
    }
  }
}

TEST_P(MatmulIsa, QuantisedAndF32ProductsEqualGeneric) {
  Exec exec(1);
  const KernelTable& generic = **kernel_table("generic");
  for (int type = 0; type < kNDTypes; ++type) {
    for (const Precision precision : {Precision::kFast, Precision::kHigh}) {
      const auto dtype = static_cast<DType>(type);
      if (act_kind(dtype, precision) == ActKind::kBF16) continue;  // vdpbf16ps: see dot_test
      const Problem p(dtype, 40, short_length(dtype), 15, kSeed + 200 + static_cast<uint64_t>(type));
      EXPECT_EQ(run(&exec, table_, p, precision), run(&exec, generic, p, precision)) << dtype_info(dtype).name;
    }
  }
}

TEST_P(MatmulIsa, FusedJobsOfMixedTypesEqualSingleOnes) {
  Exec exec(2);
  const Problem a(DType::kQ4_K, 50, 512, 17, 1), b(DType::kQ6_K, 16, 512, 17, 2), c(DType::kQ8_0, 200, 512, 17, 3);
  Activations acts;
  acts.set(&exec, table_, ActKind::kInt8, a.x.data(), a.k, nullptr, a.n, a.k);
  std::vector<float> fused[3], single[3];
  const Problem* problems[3] = {&a, &b, &c};
  std::vector<MatmulJob> jobs;
  for (int i = 0; i < 3; ++i) {
    const auto size = static_cast<size_t>(17 * problems[i]->n_rows);
    fused[i].resize(size);
    single[i].resize(size);
    jobs.push_back({problems[i]->view(), fused[i].data(), problems[i]->n_rows, nullptr, false});
  }
  matmul(&exec, table_, acts, jobs);
  for (int i = 0; i < 3; ++i) {
    MatmulJob job = jobs[static_cast<size_t>(i)];
    job.out = single[i].data();
    matmul(&exec, table_, acts, {&job, 1});
    EXPECT_EQ(fused[i], single[i]);
  }
}

// What matmul_glu packs, for each kind of activations that the next product may want.
TEST_P(MatmulIsa, PairedProductsPackTheBytesOfTwoProductsAndAPack) {
  Exec one(1), two(2);
  for (const DType dtype : {DType::kQ4_0, DType::kQ4_K, DType::kQ6_K, DType::kF16, DType::kBF16}) {
    for (const int64_t n : {1, 8, 12, 16, 17, 44 * kMaxCols + 5}) {
      if (n > 100 && dtype != DType::kQ4_0) continue;
      const Problem gate(dtype, 96, 256, n, kSeed + 300), up(dtype, 96, 256, n, kSeed + 301);
      ASSERT_TRUE(can_pair(gate.view(), up.view()));
      Activations acts, expected, actual;
      acts.set(&two, table_, act_kind(dtype, Precision::kFast), gate.x.data(), gate.k, nullptr, n, gate.k);
      std::vector<float> g(static_cast<size_t>(n * 96)), u = g;
      const MatmulJob jobs[2] = {{gate.view(), g.data(), 96, gate.bias.data(), false}, {up.view(), u.data(), 96, nullptr, false}};
      matmul(&two, table_, acts, jobs);
      table_.silu_mul(g.data(), g.data(), u.data(), n * 96);
      for (const ActKind kind : {ActKind::kInt8, ActKind::kF32, ActKind::kBF16}) {
        expected.set(&two, table_, kind, g.data(), 96, nullptr, n, 96);
        for (Exec* exec : {&one, &two}) {
          actual.begin(kind, n, 96);
          matmul_glu(exec, table_, acts, {.gate = gate.view(), .up = up.view(), .gate_bias = gate.bias.data(), .glu = table_.silu_mul, .out = &actual});
          for (int64_t tile = 0; tile < actual.n_tiles(); ++tile) {
            const int64_t values = actual.tile_width(tile) * 96;
            const auto n_bytes = static_cast<size_t>(kind == ActKind::kInt8 ? values / kActBlock * kActBlockColBytes : kind == ActKind::kF32 ? values * 4 : values * 2);
            ASSERT_EQ(std::memcmp(actual.tile(tile), expected.tile(tile), n_bytes), 0) << dtype_info(dtype).name << " n " << n << " tile " << tile;
          }
        }
      }
    }
  }
}

TEST_P(MatmulIsa, ManyColumnsEqualOneByOne) {
  Exec exec(2);
  const Problem p(DType::kQ4_0, 20, 96, 44 * kMaxCols + 5, 9);  // more than one pass of the driver
  const std::vector<float> all = run(&exec, table_, p, Precision::kFast);
  for (const int32_t column : {0, 11, 12, 300, 527, 528, 532}) {
    const std::vector<float> alone = run(&exec, table_, p, Precision::kFast, {column});
    EXPECT_EQ(std::memcmp(alone.data(), all.data() + column * p.n_rows, static_cast<size_t>(p.n_rows) * 4), 0) << column;
  }
}

TEST_P(MatmulIsa, NoColumnsDoNothing) {
  Exec exec(2);
  const Problem p(DType::kF32, 20, 30, 1, 10);
  Activations acts;
  acts.set(&exec, table_, ActKind::kF32, p.x.data(), p.k, nullptr, 0, p.k);
  const MatmulJob job = {p.view(), nullptr, p.n_rows, nullptr, false};
  matmul(&exec, table_, acts, {&job, 1});
}

INSTANTIATE_TEST_SUITE_P(Isas, MatmulIsa, testing::ValuesIn(available_isas()), [](const auto& param) { return param.param; });

}  // namespace
}  // namespace firesteel
