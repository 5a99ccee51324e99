// Rows and element-wise operations: generic against double, every other column against generic bit for bit.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "base/rng.h"
#include "kernels/dispatch.h"
#include "kernels/table.h"

namespace firesteel {
namespace {

constexpr uint64_t kSeed = 90210;
constexpr int64_t kSizes[] = {1, 2, 15, 16, 17, 31, 33, 64, 100, 1000, 4099};

using Floats = std::vector<float>;  // exactly as long as needed: the sanitizer sees a read beyond

Floats random_floats(int64_t n, float amplitude, Rng* rng) {
  Floats values(static_cast<size_t>(n));
  for (float& value : values) value = static_cast<float>(rng->normal()) * amplitude;
  return values;
}

::testing::AssertionResult same_bytes(const Floats& a, const Floats& b) {
  for (size_t i = 0; i < a.size(); ++i) {
    if (std::memcmp(&a[i], &b[i], sizeof(float)) != 0) {
      return ::testing::AssertionFailure() << "element " << i << " of " << a.size() << ": " << a[i] << " and " << b[i];
    }
  }
  return ::testing::AssertionSuccess();
}

double as_double(float x) { return static_cast<double>(x); }

class ElementwiseIsa : public testing::TestWithParam<std::string> {
 protected:
  const KernelTable generic_ = generic_table();
  const KernelTable& table_ = **kernel_table(GetParam());
};

TEST_P(ElementwiseIsa, RmsNorm) {
  Rng rng(kSeed);
  for (const int64_t n : kSizes) {
    const Floats x = random_floats(n, 3, &rng);
    const Floats weight = random_floats(n, 1, &rng);
    double sum = 0;
    for (const float value : x) sum += as_double(value) * as_double(value);
    const double scale = 1 / std::sqrt(sum / static_cast<double>(n) + 1e-5);
    for (const float* w : {weight.data(), static_cast<const float*>(nullptr)}) {
      Floats out(x.size());
      Floats expected(x.size());
      table_.rms_norm(out.data(), x.data(), w, n, 1e-5f);
      generic_.rms_norm(expected.data(), x.data(), w, n, 1e-5f);
      ASSERT_TRUE(same_bytes(out, expected)) << n;
      for (size_t i = 0; i < x.size(); ++i) {
        const double exact = as_double(x[i]) * scale * (w == nullptr ? 1.0 : as_double(w[i]));
        ASSERT_NEAR(as_double(out[i]), exact, std::fabs(exact) * (static_cast<double>(n) / 16 + 20) * 0x1p-24);
      }
      Floats in_place = x;
      table_.rms_norm(in_place.data(), in_place.data(), w, n, 1e-5f);
      ASSERT_TRUE(same_bytes(in_place, expected)) << n;
    }
  }
}

TEST_P(ElementwiseIsa, GatedUnits) {
  Rng rng(kSeed + 1);
  for (const int64_t n : kSizes) {
    Floats gate = random_floats(n, 6, &rng);
    const Floats up = random_floats(n, 1, &rng);
    const float edges[] = {0.0f, -0.0f, 87.0f, -87.3f, -88.0f, -200.0f, 200.0f, 1e30f, -1e30f, INFINITY, 1e-40f, -1e-8f};
    for (size_t i = 0; i < gate.size() && n >= 100 && i < std::size(edges); ++i) gate[i] = edges[i];
    Floats out(gate.size());
    Floats expected(gate.size());
    table_.silu_mul(out.data(), gate.data(), up.data(), n);
    generic_.silu_mul(expected.data(), gate.data(), up.data(), n);
    ASSERT_TRUE(same_bytes(out, expected)) << n;
    for (size_t i = 0; i < gate.size(); ++i) {
      if (!std::isfinite(gate[i])) continue;
      // The exponential of -88 and beyond saturates: the result is nearer to zero than 1e-37 either way.
      const double exact = as_double(gate[i]) / (1 + std::exp(-as_double(gate[i]))) * as_double(up[i]);
      ASSERT_NEAR(as_double(out[i]), exact, std::fabs(exact) * 4e-7 + 1e-35) << gate[i];
    }
    table_.gelu_mul(out.data(), gate.data(), up.data(), n);
    generic_.gelu_mul(expected.data(), gate.data(), up.data(), n);
    ASSERT_TRUE(same_bytes(out, expected)) << n;
    for (size_t i = 0; i < gate.size(); ++i) {
      const double g = as_double(gate[i]);
      if (std::fabs(g) > 1e10) continue;
      // The relative error of the exponential is that of its argument, |2u| * 2^-23, where the function is not 0.
      const double u = std::sqrt(2 / M_PI) * (g + 0.044715 * g * g * g);
      const double exact = g / (1 + std::exp(-2 * u)) * as_double(up[i]);
      ASSERT_NEAR(as_double(out[i]), exact, std::fabs(exact) * (4e-7 + std::fabs(u) * 3e-7) + 1e-35) << gate[i];
    }
    Floats in_place = gate;
    table_.gelu_mul(in_place.data(), in_place.data(), up.data(), n);
    ASSERT_TRUE(same_bytes(in_place, expected)) << n;
  }
}

TEST_P(ElementwiseIsa, NotANumberPassesThrough) {
  for (const int64_t n : {int64_t{1}, int64_t{40}}) {
    const size_t last = static_cast<size_t>(n) - 1;
    Floats x(last + 1, 1.0f);
    x[last] = NAN;
    Floats out(x.size());
    const Floats ones(x.size(), 1.0f);
    table_.silu_mul(out.data(), x.data(), ones.data(), n);
    EXPECT_TRUE(std::isnan(out[last]));
    table_.gelu_mul(out.data(), x.data(), ones.data(), n);
    EXPECT_TRUE(std::isnan(out[last]));
    table_.rms_norm(out.data(), x.data(), nullptr, n, 1e-6f);
    EXPECT_TRUE(std::isnan(out.front()));
  }
}

TEST_P(ElementwiseIsa, Rope) {
  Rng rng(kSeed + 2);
  for (const int64_t n_pairs : {1, 7, 8, 15, 16, 17, 24, 32, 40, 48, 64, 128}) {
    for (const int neox : {0, 1}) {
      const Floats head = random_floats(2 * n_pairs, 2, &rng);
      Floats cs(head.size());
      for (size_t i = 0; i < cs.size(); i += 2) {
        const double angle = rng.uniform() * 7;
        cs[i] = static_cast<float>(std::cos(angle));
        cs[i + 1] = static_cast<float>(std::sin(angle));
      }
      Floats out = head;
      Floats expected = head;
      table_.rope(out.data(), cs.data(), n_pairs, neox);
      generic_.rope(expected.data(), cs.data(), n_pairs, neox);
      ASSERT_TRUE(same_bytes(out, expected)) << n_pairs << " " << neox;
      for (size_t i = 0; i < static_cast<size_t>(n_pairs); ++i) {
        const size_t a = neox != 0 ? i : 2 * i;
        const size_t b = neox != 0 ? i + static_cast<size_t>(n_pairs) : 2 * i + 1;
        const double x = as_double(head[a]);
        const double y = as_double(head[b]);
        const double c = as_double(cs[2 * i]);
        const double s = as_double(cs[2 * i + 1]);
        ASSERT_NEAR(as_double(out[a]), x * c - y * s, 2e-6);
        ASSERT_NEAR(as_double(out[b]), x * s + y * c, 2e-6);
      }
    }
  }
}

TEST_P(ElementwiseIsa, AddAndAxpy) {
  Rng rng(kSeed + 3);
  for (const int64_t n : kSizes) {
    const Floats x = random_floats(n, 1, &rng);
    const Floats y = random_floats(n, 1, &rng);
    Floats sum = x;
    table_.add(sum.data(), y.data(), n);
    Floats scaled = x;
    table_.axpy(scaled.data(), y.data(), -1.7f, n);
    for (size_t i = 0; i < x.size(); ++i) {
      ASSERT_EQ(sum[i], x[i] + y[i]);
      ASSERT_EQ(scaled[i], std::fma(-1.7f, y[i], x[i]));
    }
  }
}

TEST_P(ElementwiseIsa, MaxValue) {
  Rng rng(kSeed + 4);
  for (const int64_t n : kSizes) {
    Floats x = random_floats(n, 1, &rng);
    for (int i = 0; i < 20; ++i) {
      const size_t at = rng.below(x.size());
      x[at] = 10 + static_cast<float>(i);
      ASSERT_EQ(table_.max_value(x.data(), n), x[at]);
    }
    const size_t at = rng.below(x.size());
    x[at] = NAN;
    ASSERT_EQ(table_.max_value(x.data(), n), generic_.max_value(x.data(), n));
    for (float& value : x) value = -std::numeric_limits<float>::infinity();
    ASSERT_EQ(table_.max_value(x.data(), n), -std::numeric_limits<float>::infinity());
  }
}

TEST_P(ElementwiseIsa, SumExp) {
  Rng rng(kSeed + 5);
  for (const int64_t n : kSizes) {
    for (const float scale : {1.0f, 0.25f, 3.0f}) {
      Floats x = random_floats(n, 8, &rng);
      if (n > 1) x[1] = -std::numeric_limits<float>::infinity();  // a masked token
      const float max = generic_.max_value(x.data(), n);
      const double sum = table_.sum_exp(x.data(), n, max, scale);
      const double expected = generic_.sum_exp(x.data(), n, max, scale);
      ASSERT_EQ(std::memcmp(&sum, &expected, sizeof sum), 0) << n << " " << sum << " " << expected;
      double exact = 0;
      for (const float value : x) exact += std::exp(static_cast<double>((value - max) * scale));
      ASSERT_NEAR(sum, exact, exact * 4e-7);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Isas, ElementwiseIsa, testing::ValuesIn(available_isas()), [](const auto& test) { return test.param; });

}  // namespace
}  // namespace firesteel
