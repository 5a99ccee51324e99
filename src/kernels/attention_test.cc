// Attention of every column against plain softmax in double, and the same bytes however the rows are put together.
#include "kernels/attention.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "base/rng.h"
#include "kernels/dispatch.h"
#include "tensor/half.h"

namespace firesteel {
namespace {

constexpr uint64_t kSeed = 51877;
constexpr KvType kTypes[] = {KvType::kF32, KvType::kBF16, KvType::kInt8};
constexpr double kLog2E = 1.4426950408889634;

using Floats = std::vector<float>;

bool same_bytes(const Floats& a, const Floats& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

// Blocks of exactly their size, full of 0xFF: NaN as a float, as a bf16 and as a scale, so that a use of an unwritten slot shows.
class Cache {
 public:
  explicit Cache(const KvLayout& layout) : layout_(layout) {}

  std::byte* new_block() {
    void* memory = std::aligned_alloc(64, layout_.block_bytes());
    std::memset(memory, 0xFF, layout_.block_bytes());
    blocks_.emplace_back(static_cast<std::byte*>(memory), &std::free);
    return blocks_.back().get();
  }
  std::byte* copy_block(const std::byte* from) {
    std::byte* to = new_block();
    std::memcpy(to, from, layout_.block_bytes());
    return to;
  }

 private:
  KvLayout layout_;
  std::vector<std::unique_ptr<std::byte, decltype(&std::free)>> blocks_;
};

template <typename T>
T load(const std::byte* base, size_t index) {
  T value;
  std::memcpy(&value, base + index * sizeof(T), sizeof(T));
  return value;
}

// Element d of slot t, read from the bytes as tensor/kv_layout.h describes them.
double key_at(const KvLayout& layout, const std::byte* k, size_t t, size_t d) {
  const size_t n = static_cast<size_t>(layout.head_dim);
  const size_t g = t / 16;
  const size_t lane = t % 16;
  switch (layout.type) {
    case KvType::kF32: return static_cast<double>(load<float>(k, (g * n + d) * 16 + lane));
    case KvType::kBF16: return static_cast<double>(bf16_to_f32(load<uint16_t>(k, ((g * (n / 2) + d / 2) * 16 + lane) * 2 + d % 2)));
    case KvType::kInt8: break;
  }
  return load<int8_t>(k, ((g * (n / 4) + d / 4) * 16 + lane) * 4 + d % 4) * static_cast<double>(load<float>(k + 64 * n, t));
}

double value_at(const KvLayout& layout, const std::byte* v, size_t t, size_t d) {
  const size_t n = static_cast<size_t>(layout.head_dim);
  switch (layout.type) {
    case KvType::kF32: return static_cast<double>(load<float>(v, t * n + d));
    case KvType::kBF16: return static_cast<double>(bf16_to_f32(load<uint16_t>(v, (t / 2 * n + d) * 2 + t % 2)));
    case KvType::kInt8: break;
  }
  return load<int8_t>(v, (t / 4 * n + d) * 4 + t % 4) * static_cast<double>(load<float>(v + 64 * n, t));
}

// Rows, sequences, keys and values of one test, and how to run them.
struct Case {
  AttnArgs args;
  std::vector<AttnRow> rows;
  std::vector<std::vector<std::byte*>> tables;
  float amplitude = 1;

  int64_t q_dim() const { return static_cast<int64_t>(args.n_heads) * args.layout.head_dim; }
  int64_t kv_dim() const { return static_cast<int64_t>(args.layout.n_kv_heads) * args.layout.head_dim; }
  std::vector<AttnSeq> seqs() const {
    std::vector<AttnSeq> list;
    for (const auto& table : tables) list.push_back({table.data(), static_cast<int32_t>(table.size())});
    return list;
  }
};

Floats random_floats(int64_t n, float amplitude, Rng* rng) {
  Floats values(static_cast<size_t>(n));
  for (float& value : values) value = static_cast<float>(rng->normal()) * amplitude;
  return values;
}

// Appends positions [begin, end) of random keys and values to sequence `seq`, opening blocks as needed.
void extend(const KernelTable& table, Exec* exec, Cache* cache, Case* c, int32_t seq, int32_t begin, int32_t end, Rng* rng) {
  auto& blocks = c->tables[static_cast<size_t>(seq)];
  while (static_cast<int32_t>(blocks.size()) * kKvBlockTokens < end) blocks.push_back(cache->new_block());
  std::vector<AttnRow> rows;
  for (int32_t p = begin; p < end; ++p) rows.push_back({seq, p});
  const int64_t n = static_cast<int64_t>(rows.size()) * c->kv_dim();
  const Floats k = random_floats(n, c->amplitude, rng);
  const Floats v = random_floats(n, 1, rng);
  kv_store(exec, table, c->args, rows, c->seqs(), k.data(), v.data(), c->kv_dim());
}

Floats run(const KernelTable& table, Exec* exec, const Case& c, const std::vector<AttnRow>& rows, const Floats& q) {
  Floats out(rows.size() * static_cast<size_t>(c.q_dim()), NAN);
  const std::vector<AttnSeq> seqs = c.seqs();
  attention(exec, table, c.args, rows, seqs, q.data(), c.q_dim(), out.data(), c.q_dim());
  return out;
}

// Softmax attention of one (row, head) in double over the stored keys and values; *bound: how far the kernel may be away.
std::vector<double> naive(const Case& c, const AttnRow& row, int head, const float* q, double* bound) {
  const KvLayout& layout = c.args.layout;
  const size_t n = static_cast<size_t>(layout.head_dim);
  const int kv_head = head / (c.args.n_heads / layout.n_kv_heads);
  const double cap = static_cast<double>(c.args.softcap);
  const double to_packed = static_cast<double>(c.args.scale) * kLog2E * (cap != 0 ? 2 / cap : 1);
  std::vector<double> query(n);
  double q_max = 0;
  for (size_t d = 0; d < n; ++d) {
    query[d] = static_cast<double>(q[d]) * static_cast<double>(c.args.scale);
    q_max = std::max(q_max, std::fabs(query[d]));
    if (layout.type == KvType::kBF16) {
      query[d] = static_cast<double>(bf16_to_f32(f32_to_bf16(q[d] * static_cast<float>(to_packed)))) / to_packed *
                 static_cast<double>(c.args.scale);
    }
  }
  const int32_t first = c.args.window > 0 ? std::max(0, row.position - c.args.window + 1) : 0;
  std::vector<double> scores;
  double magnitude = 0;    // of the terms of a score: what rounding errors are relative to
  double key_sum_max = 0;  // largest sum of |k|
  double v_max = 0;
  const auto half = [&](int32_t p, bool value) {
    const std::byte* block = c.tables[static_cast<size_t>(row.seq)][static_cast<size_t>(p / kKvBlockTokens)];
    return block + (value ? layout.v_offset(c.args.layer, kv_head) : layout.k_offset(c.args.layer, kv_head));
  };
  for (int32_t p = first; p <= row.position; ++p) {
    double score = 0;
    double terms = 0;
    double key_sum = 0;
    for (size_t d = 0; d < n; ++d) {
      const double key = key_at(layout, half(p, false), static_cast<size_t>(p % kKvBlockTokens), d);
      score += query[d] * key;
      terms += std::fabs(query[d] * key);
      key_sum += std::fabs(key);
      v_max = std::max(v_max, std::fabs(value_at(layout, half(p, true), static_cast<size_t>(p % kKvBlockTokens), d)));
    }
    scores.push_back(cap != 0 ? cap * std::tanh(score / cap) : score);
    magnitude = std::max(magnitude, terms);
    key_sum_max = std::max(key_sum_max, key_sum);
  }
  const double top = *std::max_element(scores.begin(), scores.end());
  double denominator = 0;
  for (double& score : scores) denominator += score = std::exp(score - top);
  std::vector<double> out(n, 0.0);
  for (size_t i = 0; i < scores.size(); ++i) {
    const int32_t p = first + static_cast<int32_t>(i);
    for (size_t d = 0; d < n; ++d) {
      out[d] += scores[i] / denominator * value_at(layout, half(p, true), static_cast<size_t>(p % kKvBlockTokens), d);
    }
  }
  // A score is a sum of head_dim terms, each sum rounded (2^-24 of the terms so far), then scaled and subtracted; with a softcap
  // its absolute error is also some ulps of the cap. An error e of the scores changes each weight by a factor e^(2e) at most.
  // The sums over slots round once per slot. bf16: weights are rounded to 8 bits, 2^-9 of each; exp2 of degree 4 is off by 3e-6.
  // int8: queries are rounded to 2^-16 of their largest, weights to 2^-16 of the largest in a block of 64 (of which the sum of
  // weights has at least one).
  const double u = 0x1p-24;
  double score_error = (layout.head_dim + 8) * u * magnitude + 8 * u * cap;
  double weight_error = (static_cast<double>(scores.size()) + 40) * u;
  if (layout.type == KvType::kBF16) weight_error += 0x1p-9 + 6e-6;
  if (layout.type == KvType::kInt8) {
    score_error += q_max * 0x1p-16 * key_sum_max;
    weight_error += 64 * 0x1p-16 + 6e-6;
  }
  *bound = v_max * (2 * std::expm1(score_error) + weight_error) + 1e-30;
  return out;
}

void expect_close(const Case& c, const std::vector<AttnRow>& rows, const Floats& q, const Floats& out) {
  for (size_t r = 0; r < rows.size(); ++r) {
    for (int head = 0; head < c.args.n_heads; ++head) {
      const size_t at = r * static_cast<size_t>(c.q_dim()) + static_cast<size_t>(head * c.args.layout.head_dim);
      double bound = 0;
      const std::vector<double> expected = naive(c, rows[r], head, q.data() + at, &bound);
      for (size_t d = 0; d < expected.size(); ++d) {
        ASSERT_LE(std::fabs(static_cast<double>(out[at + d]) - expected[d]), bound)
            << kv_type_name(c.args.layout.type) << " position " << rows[r].position << " head " << head << " of " << c.args.n_heads
            << "/" << c.args.layout.n_kv_heads << " d " << d << "/" << c.args.layout.head_dim << " window " << c.args.window << " cap "
            << c.args.softcap << " got " << out[at + d] << " expected " << expected[d];
      }
    }
  }
}

Case make_case(KvType type, int head_dim, int n_kv_heads, int gqa) {
  Case c;
  c.args.layout = KvLayout{type, 2, n_kv_heads, head_dim};
  c.args.layer = 1;
  c.args.n_heads = n_kv_heads * gqa;
  c.args.scale = 1 / std::sqrt(static_cast<float>(head_dim));
  return c;
}

class AttentionIsa : public testing::TestWithParam<std::string> {
 protected:
  const KernelTable& table_ = **kernel_table(GetParam());
  Exec exec_{1};
};

TEST_P(AttentionIsa, IsSoftmaxOverStoredKeys) {
  Rng rng(kSeed);
  constexpr int kDims[] = {16, 48, 64, 80, 96, 112, 128, 256};
  for (int i = 0; i < 48; ++i) {
    const int head_dim = kDims[i % 8];
    Case c = make_case(kTypes[(i / 8) % 3], head_dim, 1 + static_cast<int>(rng.below(2)), 1 + static_cast<int>(rng.below(8)));
    if (i % 3 == 1) c.args.window = static_cast<int32_t>(1 + rng.below(150));
    if (i % 4 == 2) c.args.softcap = static_cast<float>(rng.below(2) == 0 ? 50.0 : 3.5);
    Cache cache(c.args.layout);
    c.tables.resize(1);
    const int32_t length = static_cast<int32_t>(1 + rng.below(i % 5 == 0 ? 300 : 140));
    extend(table_, &exec_, &cache, &c, 0, 0, length, &rng);
    std::vector<AttnRow> rows;
    const int32_t n_rows = std::min<int32_t>(length, static_cast<int32_t>(1 + rng.below(5)));
    for (int32_t r = 0; r < n_rows; ++r) rows.push_back({0, length - n_rows + r});
    const Floats q = random_floats(static_cast<int64_t>(rows.size()) * c.q_dim(), 2, &rng);
    expect_close(c, rows, q, run(table_, &exec_, c, rows, q));
    if (HasFatalFailure()) return;
  }
}

TEST_P(AttentionIsa, SeveralChunksOfBlocksAreMerged) {
  Rng rng(kSeed + 1);
  for (const KvType type : kTypes) {
    for (const int32_t window : {0, 700}) {
      Case c = make_case(type, 32, 1, 2);
      c.args.window = window;
      Cache cache(c.args.layout);
      c.tables.resize(1);
      extend(table_, &exec_, &cache, &c, 0, 0, 1300, &rng);
      const std::vector<AttnRow> rows = {{0, 511}, {0, 512}, {0, 1299}};
      const Floats q = random_floats(static_cast<int64_t>(rows.size()) * c.q_dim(), 3, &rng);
      const Floats out = run(table_, &exec_, c, rows, q);
      expect_close(c, rows, q, out);
      Exec three(3);  // fewer tasks than threads: chunks are tasks
      EXPECT_TRUE(same_bytes(out, run(table_, &three, c, rows, q))) << kv_type_name(type);
    }
  }
}

// Scores of +-1e4 and more leave one-hot weights, equal scores the mean; nothing overflows on the way.
TEST_P(AttentionIsa, ExtremeScores) {
  Rng rng(kSeed + 2);
  for (const KvType type : kTypes) {
    Case c = make_case(type, 64, 1, 3);
    c.amplitude = 60;
    c.args.scale = 1;
    Cache cache(c.args.layout);
    c.tables.resize(1);
    extend(table_, &exec_, &cache, &c, 0, 0, 150, &rng);
    const std::vector<AttnRow> rows = {{0, 0}, {0, 63}, {0, 64}, {0, 149}};
    Floats q = random_floats(static_cast<int64_t>(rows.size()) * c.q_dim(), 60, &rng);
    for (const float value : run(table_, &exec_, c, rows, q)) ASSERT_TRUE(std::isfinite(value) && std::fabs(value) < 8) << value;
    std::fill(q.begin(), q.end(), 0.0f);  // all scores equal
    expect_close(c, rows, q, run(table_, &exec_, c, rows, q));

    // Scores fall by 1e4 from block to block, and rise by as much.
    for (const float step : {-1.0f, 1.0f}) {
      std::vector<AttnRow> all;
      Floats k(static_cast<size_t>(150 * c.kv_dim()), 0.0f);
      for (int32_t p = 0; p < 150; ++p) {
        all.push_back({0, p});
        k[static_cast<size_t>(p * c.kv_dim())] = step * 100 * static_cast<float>(p / 64);
      }
      const Floats v = random_floats(150 * c.kv_dim(), 1, &rng);
      kv_store(&exec_, table_, c.args, all, c.seqs(), k.data(), v.data(), c.kv_dim());
      std::fill(q.begin(), q.end(), 0.0f);
      for (size_t i = 0; i < q.size(); i += 64) q[i] = 100;
      const Floats out = run(table_, &exec_, c, rows, q);
      for (size_t d = 0; d < 64; ++d) {  // position 149: the mean of block 0, or of the 22 slots of block 2
        double mean = 0;
        const int32_t begin = step < 0 ? 0 : 128;
        const int32_t end = step < 0 ? 64 : 150;
        const std::byte* half = c.tables[0][static_cast<size_t>(begin / 64)] + c.args.layout.v_offset(1, 0);
        for (int32_t p = begin; p < end; ++p) mean += value_at(c.args.layout, half, static_cast<size_t>(p % 64), d) / (end - begin);
        ASSERT_NEAR(static_cast<double>(out[static_cast<size_t>(3 * c.q_dim()) + d]), mean, 2e-3) << kv_type_name(type);
      }
    }
  }
}

// A forest of forks in one batch: each row alone, any subset, other threads, and every sequence on its own copy of all blocks.
TEST_P(AttentionIsa, ResultOfARowDoesNotDependOnItsNeighbours) {
  Rng rng(kSeed + 3);
  Exec two(2);
  Exec five(5);
  for (int i = 0; i < 12; ++i) {
    Case c = make_case(kTypes[i % 3], i % 2 == 0 ? 64 : 48, 1 + static_cast<int>(rng.below(3)), 1 + static_cast<int>(rng.below(8)));
    if (i % 4 == 3) c.args.window = static_cast<int32_t>(30 + rng.below(200));
    if (i % 5 == 4) c.args.softcap = 20;
    Cache cache(c.args.layout);
    const int32_t n_seqs = static_cast<int32_t>(2 + rng.below(6));
    std::vector<int32_t> lengths;
    for (int32_t s = 0; s < n_seqs; ++s) {
      c.tables.emplace_back();
      int32_t length = 0;
      if (s > 0 && rng.below(5) != 0) {  // a fork: whole blocks are the same memory, a partial one is copied
        const size_t parent = rng.below(static_cast<uint64_t>(s));
        length = static_cast<int32_t>(rng.below(static_cast<uint64_t>(lengths[parent]) + 1));
        const std::vector<std::byte*>& from = c.tables[parent];
        for (int32_t b = 0; b < length / 64; ++b) c.tables.back().push_back(from[static_cast<size_t>(b)]);
        if (length % 64 != 0) c.tables.back().push_back(cache.copy_block(from[static_cast<size_t>(length / 64)]));
      }
      const int32_t more = static_cast<int32_t>(1 + rng.below(i == 0 ? 700 : 130));
      extend(table_, &exec_, &cache, &c, s, length, length + more, &rng);
      lengths.push_back(length + more);
    }
    std::vector<int32_t> seq_order;
    for (int32_t s = 0; s < n_seqs; ++s) seq_order.push_back(s);
    for (size_t s = seq_order.size(); s > 1; --s) std::swap(seq_order[s - 1], seq_order[rng.below(s)]);
    std::vector<AttnRow> rows;
    for (const int32_t s : seq_order) {
      const int32_t length = lengths[static_cast<size_t>(s)];
      const int32_t n = std::min<int32_t>(length, static_cast<int32_t>(rng.below(3) == 0 ? 1 + rng.below(40) : 1));
      for (int32_t p = length - n; p < length; ++p) rows.push_back({s, p});
    }
    const size_t width = static_cast<size_t>(c.q_dim());
    const Floats q = random_floats(static_cast<int64_t>(rows.size() * width), 2, &rng);
    const Floats together = run(table_, &exec_, c, rows, q);
    if (i < 3) expect_close(c, rows, q, together);
    EXPECT_TRUE(same_bytes(together, run(table_, &two, c, rows, q))) << "seed " << kSeed << " case " << i;
    EXPECT_TRUE(same_bytes(together, run(table_, &five, c, rows, q))) << "seed " << kSeed << " case " << i;

    Case separate = c;
    for (auto& blocks : separate.tables) {
      for (std::byte*& block : blocks) block = cache.copy_block(block);
    }
    EXPECT_TRUE(same_bytes(together, run(table_, &exec_, separate, rows, q))) << "seed " << kSeed << " case " << i;

    for (size_t begin = 0; begin < rows.size();) {  // random consecutive parts: chunks, single rows
      const size_t n = std::min<size_t>(rows.size() - begin, 1 + (rng.below(2) == 0 ? 0 : rng.below(20)));
      const std::vector<AttnRow> part(rows.begin() + static_cast<ptrdiff_t>(begin), rows.begin() + static_cast<ptrdiff_t>(begin + n));
      const Floats part_q(q.begin() + static_cast<ptrdiff_t>(begin * width), q.begin() + static_cast<ptrdiff_t>((begin + n) * width));
      const Floats out = run(table_, begin % 2 == 0 ? &exec_ : &two, c, part, part_q);
      ASSERT_EQ(std::memcmp(out.data(), together.data() + begin * width, out.size() * sizeof(float)), 0)
          << "seed " << kSeed << " case " << i << " rows " << begin << " + " << n << " " << kv_type_name(c.args.layout.type);
      begin += n;
    }
  }
}

// The kernel alone: any [lo, hi), also empty, next to any others.
TEST_P(AttentionIsa, QueriesOfATileAreIndependentForAnyRange) {
  Rng rng(kSeed + 4);
  for (const KvType type : kTypes) {
    const Case c = make_case(type, 48, 1, 1);
    const size_t t = static_cast<size_t>(type);
    Cache cache(c.args.layout);
    std::byte* block = cache.new_block();
    const int n_written = 1 + static_cast<int>(rng.below(64));
    std::byte* const k = block + c.args.layout.k_offset(1, 0);
    std::byte* const v = block + c.args.layout.v_offset(1, 0);
    for (int slot = 0; slot < n_written; ++slot) {
      const Floats key = random_floats(48, 1, &rng);
      const Floats value = random_floats(48, 1, &rng);
      table_.kv_write[t](k, v, slot, 48, key.data(), value.data());
    }
    for (int n_q = 1; n_q <= kAttnQueries; ++n_q) {
      struct alignas(64) Tile {
        std::byte q[kAttnQueries * kAttnQueryBytes];
        float out[kAttnQueries][48];
        float l[kAttnQueries][16];
        float m[kAttnQueries];
        int lo[kAttnQueries];
        int hi[kAttnQueries];
      };
      auto all = std::make_unique<Tile>();
      std::memset(all.get(), 0, sizeof(Tile));
      for (int i = 0; i < n_q; ++i) {
        const Floats q = random_floats(48, 1, &rng);
        table_.attn_pack_q[t](q.data(), 48, 0.3f, all->q + i * kAttnQueryBytes);
        all->lo[i] = static_cast<int>(rng.below(static_cast<uint64_t>(n_written) + 1));
        all->hi[i] = static_cast<int>(rng.below(static_cast<uint64_t>(n_written) + 1));
        all->m[i] = i % 2 == 0 ? kAttnNone : -0.25f;
        for (float& x : all->out[i]) x = i % 2 == 0 ? 0.0f : static_cast<float>(rng.normal());
        all->l[i][3] = i % 2 == 0 ? 0.0f : 2.0f;
      }
      auto single = std::make_unique<Tile>(*all);
      const auto tile_of = [](Tile* x, int i, int n) {
        AttnTile tile = {};
        tile.n_q = n;
        tile.head_dim = 48;
        tile.q = x->q + i * kAttnQueryBytes;
        tile.out = x->out[i];
        tile.m = x->m + i;
        tile.l = x->l[i];
        tile.lo = x->lo + i;
        tile.hi = x->hi + i;
        return tile;
      };
      const auto before = std::make_unique<Tile>(*all);
      const AttnTile tile = tile_of(all.get(), 0, n_q);
      table_.attn_block[t](&tile, k, v);
      for (int i = 0; i < n_q; ++i) {
        const AttnTile one = tile_of(single.get(), i, 1);
        table_.attn_block[t](&one, k, v);
        for (int d = 0; d < 48; ++d) ASSERT_EQ(all->out[i][d], single->out[i][d]) << kv_type_name(type) << " query " << i;
        if (all->lo[i] >= all->hi[i]) {
          ASSERT_EQ(std::memcmp(single->out[i], before->out[i], sizeof before->out[i]), 0);
          ASSERT_EQ(std::memcmp(single->l[i], before->l[i], sizeof before->l[i]), 0);
        }
      }
      ASSERT_EQ(std::memcmp(all->l, single->l, sizeof all->l), 0) << kv_type_name(type);
      ASSERT_EQ(std::memcmp(all->m, single->m, sizeof all->m), 0) << kv_type_name(type);
    }
  }
}

TEST_P(AttentionIsa, WrittenKeysAndValuesAreReadBack) {
  Rng rng(kSeed + 5);
  for (const KvType type : kTypes) {
    const Case c = make_case(type, 80, 1, 1);
    Cache cache(c.args.layout);
    std::byte* block = cache.new_block();
    std::byte* const k = block + c.args.layout.k_offset(1, 0);
    std::byte* const v = block + c.args.layout.v_offset(1, 0);
    for (const int slot : {63, 0, 1, 17, 62}) {
      Floats key = random_floats(80, 3, &rng);
      Floats value = random_floats(80, 3, &rng);
      if (slot == 17) std::fill(value.begin(), value.end(), 0.0f);
      table_.kv_write[static_cast<size_t>(type)](k, v, slot, 80, key.data(), value.data());
      const auto largest = [](const Floats& x) {
        double max = 0;
        for (const float value_d : x) max = std::max(max, std::fabs(static_cast<double>(value_d)));
        return max;
      };
      for (size_t d = 0; d < 80; ++d) {
        const auto tolerance = [&](const Floats& x) {
          switch (type) {
            case KvType::kF32: return 0.0;
            case KvType::kBF16: return std::fabs(static_cast<double>(x[d])) * 0x1p-8;
            case KvType::kInt8: break;
          }
          return largest(x) / 127 * 0.5001;
        };
        ASSERT_NEAR(key_at(c.args.layout, k, static_cast<size_t>(slot), d), static_cast<double>(key[d]), tolerance(key));
        ASSERT_NEAR(value_at(c.args.layout, v, static_cast<size_t>(slot), d), static_cast<double>(value[d]), tolerance(value));
      }
    }
    // Nothing else was touched: not the other layer, not the other slots.
    size_t n_changed = 0;
    for (size_t i = 0; i < c.args.layout.block_bytes(); ++i) n_changed += block[i] != std::byte{0xFF};
    EXPECT_LE(n_changed, 5 * 2 * (c.args.layout.half_bytes() / 64));
    for (size_t i = 0; i < c.args.layout.k_offset(1, 0); ++i) ASSERT_EQ(block[i], std::byte{0xFF});
  }
}

// f32 and int8 have one definition for all columns; bf16 products may differ in the last bit.
TEST_P(AttentionIsa, AgreesWithGeneric) {
  const KernelTable generic = generic_table();
  Rng rng(kSeed + 6);
  for (const KvType type : kTypes) {
    for (const int head_dim : {16, 64, 80, 128, 256}) {
      Case c = make_case(type, head_dim, 1, 5);
      if (head_dim == 80) c.args.softcap = 10;
      Cache cache(c.args.layout);
      c.tables.resize(1);
      Rng same(rng.next_u64());
      extend(table_, &exec_, &cache, &c, 0, 0, 130, &same);
      const std::vector<AttnRow> rows = {{0, 7}, {0, 66}, {0, 127}, {0, 128}, {0, 129}};
      const Floats q = random_floats(static_cast<int64_t>(rows.size()) * c.q_dim(), 2, &rng);
      const Floats got = run(table_, &exec_, c, rows, q);
      const Floats expected = run(generic, &exec_, c, rows, q);
      if (type == KvType::kBF16) {
        for (size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], expected[i], 0.02f);
      } else {
        EXPECT_TRUE(same_bytes(got, expected)) << kv_type_name(type) << " " << head_dim;
      }
    }
  }
}

TEST_P(AttentionIsa, KvWriteHasTheBytesOfGeneric) {
  const KernelTable generic = generic_table();
  Rng rng(kSeed + 7);
  for (const KvType type : kTypes) {
    for (const int head_dim : {16, 64, 80, 96, 112, 128, 256}) {
      const Case c = make_case(type, head_dim, 1, 1);
      Cache cache(c.args.layout);
      std::byte* a = cache.new_block();
      std::byte* b = cache.new_block();
      for (int i = 0; i < 40; ++i) {
        const int slot = static_cast<int>(rng.below(64));
        const Floats key = random_floats(head_dim, i % 7 == 3 ? 1e-34f : 1.5f, &rng);
        Floats value = random_floats(head_dim, 2, &rng);
        if (i % 9 == 4) value[rng.below(static_cast<uint64_t>(head_dim))] = INFINITY;
        const size_t t = static_cast<size_t>(type);
        table_.kv_write[t](a + c.args.layout.k_offset(1, 0), a + c.args.layout.v_offset(1, 0), slot, head_dim, key.data(), value.data());
        generic.kv_write[t](b + c.args.layout.k_offset(1, 0), b + c.args.layout.v_offset(1, 0), slot, head_dim, key.data(),
                            value.data());
      }
      EXPECT_EQ(std::memcmp(a, b, c.args.layout.block_bytes()), 0) << kv_type_name(type) << " " << head_dim;
    }
  }
}

// A value that is not a number must show in the result of the rows that see it, and in no other sequence.
TEST_P(AttentionIsa, NotANumberStaysVisibleAndInItsSequence) {
  Rng rng(kSeed + 8);
  for (const KvType type : kTypes) {
    Case c = make_case(type, 64, 1, 2);
    Cache cache(c.args.layout);
    c.tables.resize(2);
    extend(table_, &exec_, &cache, &c, 0, 0, 64, &rng);
    c.tables[1] = c.tables[0];
    extend(table_, &exec_, &cache, &c, 0, 64, 70, &rng);
    extend(table_, &exec_, &cache, &c, 1, 64, 70, &rng);
    Floats bad(64, 1.0f);
    bad[5] = NAN;
    const Floats good(64, 1.0f);
    const AttnRow row = {1, 69};
    kv_store(&exec_, table_, c.args, {&row, 1}, c.seqs(), good.data(), bad.data(), 64);
    const std::vector<AttnRow> rows = {{0, 69}, {1, 69}};
    const Floats q = random_floats(static_cast<int64_t>(rows.size()) * c.q_dim(), 1, &rng);
    const Floats out = run(table_, &exec_, c, rows, q);
    for (size_t i = 0; i < static_cast<size_t>(c.q_dim()); ++i) ASSERT_TRUE(std::isfinite(out[i])) << kv_type_name(type);
    EXPECT_TRUE(std::isnan(out[static_cast<size_t>(c.q_dim()) + 5])) << kv_type_name(type);

    Floats bad_q = q;
    bad_q[3] = NAN;  // row 0, head 0
    const Floats other = run(table_, &exec_, c, rows, bad_q);
    EXPECT_TRUE(std::isnan(other[0])) << kv_type_name(type);
    for (size_t i = 64; i < 128; ++i) ASSERT_EQ(other[i], out[i]) << kv_type_name(type);
  }
}

INSTANTIATE_TEST_SUITE_P(Isas, AttentionIsa, testing::ValuesIn(available_isas()), [](const auto& test) { return test.param; });

}  // namespace
}  // namespace firesteel
