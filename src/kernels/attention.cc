// The walk over blocks.
//
// A query is a (row, head) pair; the heads of a row that share a KV head (a GQA group) lie next to each other, rows are ordered so
// that sequences with common leading blocks are neighbours. A group is a range of such rows; a task is a (KV head, group) pair: it
// goes through the blocks in order, and at each block index every run of neighbouring rows whose block there is the same memory is
// processed in tiles of up to 12 queries. So the K and V of a shared prefix are read once for all its branches, those of a prompt
// chunk once for many rows, and private blocks per sequence, all by the same loop.
//
// Same bytes: a query's state depends on its own scores and on the order 0, 1, 2, ... of its blocks. Every kChunkBlocks blocks
// begin a new state that is merged into the total afterwards, always, so that chunks can also go to different threads when there
// are too few tasks.
#include "kernels/attention.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <functional>
#include <limits>
#include <new>

#include "base/check.h"

namespace firesteel {
namespace {

constexpr int kChunkBlocks = 8;
constexpr int64_t kGroupQueries = 96;             // 8 tiles: enough that a block is read from L2 or DRAM once for much work
constexpr size_t kSplitBytesMax = size_t{8} << 20;  // states of chunks that wait for the merge
constexpr double kLog2E = 1.4426950408889634;

static_assert(static_cast<int>(kKvBlockTokens) == static_cast<int>(kAttnSlots));

// Rows [first_row, first_row + n_rows) of the caller: one sequence.
struct Run {
  int32_t first_row = 0;
  int32_t n_rows = 0;
};

// Places [begin, end) in walking order; [block_begin, block_end) are the blocks that any of these rows sees.
struct Group {
  int32_t begin = 0;
  int32_t end = 0;
  int32_t block_begin = 0;
  int32_t block_end = 0;

  int32_t n_rows() const { return end - begin; }
  int32_t chunk_begin() const { return block_begin / kChunkBlocks; }
  int32_t chunk_end() const { return (block_end - 1) / kChunkBlocks + 1; }
  int32_t n_chunks() const { return chunk_end() - chunk_begin(); }
};

// Hands out consecutive aligned arrays from one allocation; with a null base it only measures.
class Carver {
 public:
  explicit Carver(std::byte* base) : base_(base) {}
  template <typename T>
  T* take(size_t n) {
    T* result = base_ == nullptr ? nullptr : reinterpret_cast<T*>(base_ + used_);
    used_ += (n * sizeof(T) + 63) / 64 * 64;
    return result;
  }
  size_t used() const { return used_; }

 private:
  std::byte* base_;
  size_t used_ = 0;
};

// States of n queries, [n] each.
struct State {
  float* out = nullptr;  // [n][head_dim]
  float* l = nullptr;    // [n][16]
  float* m = nullptr;    // [n]

  State(Carver* carver, int64_t n, int head_dim)
      : out(carver->take<float>(static_cast<size_t>(n * head_dim))),
        l(carver->take<float>(static_cast<size_t>(n * 16))),
        m(carver->take<float>(static_cast<size_t>(n))) {}

  void clear(int64_t n, int head_dim) const {
    std::memset(out, 0, static_cast<size_t>(n * head_dim) * sizeof(float));
    std::memset(l, 0, static_cast<size_t>(n * 16) * sizeof(float));
    std::fill(m, m + n, kAttnNone);
  }
};

// What one thread works in.
struct Work {
  std::byte* queries;  // [n][kAttnQueryBytes]
  State total;
  State part;
  int* lo;  // [n]
  int* hi;

  Work(Carver* carver, int64_t n, int head_dim)
      : queries(carver->take<std::byte>(static_cast<size_t>(n) * kAttnQueryBytes)),
        total(carver, n, head_dim),
        part(carver, n, head_dim),
        lo(carver->take<int>(static_cast<size_t>(n))),
        hi(carver->take<int>(static_cast<size_t>(n))) {}
};

class Attention {
 public:
  Attention(Exec* exec, const KernelTable& table, const AttnArgs& args, std::span<const AttnRow> rows, std::span<const AttnSeq> seqs,
            const float* q, int64_t ldq, float* out, int64_t ldo)
      : exec_(exec), table_(table), args_(args), rows_(rows), seqs_(seqs), q_(q), ldq_(ldq), out_(out), ldo_(ldo) {
    head_dim_ = args.layout.head_dim;
    type_ = static_cast<size_t>(args.layout.type);
    n_kv_heads_ = args.layout.n_kv_heads;
    gqa_ = args.n_heads / n_kv_heads_;
    if (args.softcap != 0) {
      cap_ = static_cast<float>(static_cast<double>(args.softcap) * kLog2E);
      q_scale_ = static_cast<float>(static_cast<double>(args.scale) * 2 * kLog2E / static_cast<double>(args.softcap));
    } else {
      q_scale_ = static_cast<float>(static_cast<double>(args.scale) * kLog2E);
    }
  }

  void run();

 private:
  const AttnRow& row(int32_t place) const { return rows_[static_cast<size_t>(order_[place])]; }
  std::byte* const* blocks(int32_t place) const { return seqs_[static_cast<size_t>(row(place).seq)].blocks; }
  int32_t first_block(int32_t position) const {
    return args_.window > 0 && position >= args_.window ? (position - args_.window + 1) / kKvBlockTokens : 0;
  }
  static int32_t end_block(int32_t position) { return position / kKvBlockTokens + 1; }

  void order_rows(Run* runs);
  int32_t make_groups(int32_t group_rows, Group* groups) const;
  bool worth_splitting(int32_t n_groups, int64_t n_chunks, size_t state_bytes) const;
  void pack_queries(const Group& group, int kv_head, std::byte* queries) const;
  void walk_chunk(const Group& group, int kv_head, int32_t chunk, const Work& work, const State& state) const;
  void walk_block(const Group& group, int kv_head, int32_t block, const Work& work, const State& state) const;
  void walk_tiles(const Group& group, int kv_head, int32_t begin, int32_t end, int32_t block, const Work& work,
                  const State& state) const;
  void merge(const Group& group, const State& total, const State& part) const;
  void finish(const Group& group, int kv_head, const State& state) const;

  Exec* exec_;
  const KernelTable& table_;
  const AttnArgs& args_;
  std::span<const AttnRow> rows_;
  std::span<const AttnSeq> seqs_;
  const float* q_;
  int64_t ldq_;
  float* out_;
  int64_t ldo_;

  int head_dim_ = 0;
  size_t type_ = 0;
  int n_kv_heads_ = 0;
  int gqa_ = 0;
  float q_scale_ = 0;
  float cap_ = 0;
  int32_t* order_ = nullptr;  // [n_rows] row at each place of the walking order
  int32_t* same_ = nullptr;   // [n_rows] leading blocks that the row at a place and the next one have in common
};

// Rows of a sequence stay together; sequences are sorted by their block addresses, so those that share a prefix are neighbours.
void Attention::order_rows(Run* runs) {
  int32_t n_runs = 0;
  for (size_t i = 0; i < rows_.size(); ++i) {
    if (i == 0 || rows_[i].seq != rows_[i - 1].seq) runs[n_runs++] = Run{static_cast<int32_t>(i), 0};
    ++runs[n_runs - 1].n_rows;
    const AttnSeq& seq = seqs_[static_cast<size_t>(rows_[i].seq)];
    CHECK(rows_[i].position >= 0 && end_block(rows_[i].position) <= seq.n_blocks);
  }
  const auto seq_of = [this](const Run& run) -> const AttnSeq& {
    return seqs_[static_cast<size_t>(rows_[static_cast<size_t>(run.first_row)].seq)];
  };
  const auto n_seen = [this](const Run& run) {
    return end_block(rows_[static_cast<size_t>(run.first_row + run.n_rows - 1)].position);
  };
  const auto n_common = [&](const Run& a, const Run& b) {
    const int32_t n = std::min(n_seen(a), n_seen(b));
    std::byte* const* const x = seq_of(a).blocks;
    return static_cast<int32_t>(std::mismatch(x, x + n, seq_of(b).blocks).first - x);
  };
  if (n_runs > 1) {
    std::sort(runs, runs + n_runs, [&](const Run& a, const Run& b) {
      const int32_t n = n_common(a, b);
      const int32_t n_a = n_seen(a);
      const int32_t n_b = n_seen(b);
      if (n < n_a && n < n_b) return std::less<>()(seq_of(a).blocks[n], seq_of(b).blocks[n]);
      return n_a != n_b ? n_a < n_b : a.first_row < b.first_row;
    });
  }
  int32_t place = 0;
  for (int32_t r = 0; r < n_runs; ++r) {
    for (int32_t i = 0; i < runs[r].n_rows; ++i, ++place) {
      order_[place] = runs[r].first_row + i;
      same_[place] = std::numeric_limits<int32_t>::max();
    }
    same_[place - 1] = r + 1 < n_runs ? n_common(runs[r], runs[r + 1]) : 0;
  }
}

// Cuts where nothing is shared, and the rest into equal parts of at most group_rows rows.
int32_t Attention::make_groups(int32_t group_rows, Group* groups) const {
  int32_t n_groups = 0;
  const int32_t n_rows = static_cast<int32_t>(rows_.size());
  for (int32_t begin = 0; begin < n_rows;) {
    int32_t end = begin + 1;
    while (end < n_rows && same_[end - 1] > 0) ++end;
    const int64_t n_parts = (end - begin + group_rows - 1) / group_rows;
    for (int64_t part = 0; part < n_parts; ++part) {
      Group& group = groups[n_groups++];
      group.begin = begin + static_cast<int32_t>((end - begin) * part / n_parts);
      group.end = begin + static_cast<int32_t>((end - begin) * (part + 1) / n_parts);
      group.block_begin = std::numeric_limits<int32_t>::max();
      group.block_end = 0;
      for (int32_t i = group.begin; i < group.end; ++i) {
        group.block_begin = std::min(group.block_begin, first_block(row(i).position));
        group.block_end = std::max(group.block_end, end_block(row(i).position));
      }
    }
    begin = end;
  }
  return n_groups;
}

// Chunks become tasks of their own when whole walks would leave threads idle.
bool Attention::worth_splitting(int32_t n_groups, int64_t n_chunks, size_t state_bytes) const {
  const int64_t n_threads = exec_->n_threads();
  const int64_t n_tasks = static_cast<int64_t>(n_groups) * n_kv_heads_;
  if (n_threads == 1 || n_chunks == n_groups) return false;
  if (n_tasks >= n_threads && (n_tasks % n_threads == 0 || n_tasks >= 4 * n_threads)) return false;
  return static_cast<size_t>(n_chunks * n_kv_heads_) <= kSplitBytesMax / state_bytes;
}

void Attention::run() {
  const int64_t n_rows = static_cast<int64_t>(rows_.size());
  const int n_threads = exec_->n_threads();
  // Enough groups for two tasks per thread, if there are enough rows; no more queries than kGroupQueries (but whole rows).
  const int64_t n_groups_min = (2 * n_threads + n_kv_heads_ - 1) / n_kv_heads_;
  const int64_t group_rows =
      std::max<int64_t>(1, std::min<int64_t>(kGroupQueries / gqa_, (n_rows + n_groups_min - 1) / n_groups_min));
  const int64_t group_queries = group_rows * gqa_;

  const auto carve_plan = [&](Carver* carver, Run** runs, Group** groups, Work** works) {
    *runs = carver->take<Run>(static_cast<size_t>(n_rows));
    *groups = carver->take<Group>(static_cast<size_t>(n_rows));
    *works = carver->take<Work>(static_cast<size_t>(n_threads));
    order_ = carver->take<int32_t>(static_cast<size_t>(n_rows));
    same_ = carver->take<int32_t>(static_cast<size_t>(n_rows));
  };
  Run* runs = nullptr;
  Group* groups = nullptr;
  Work* works = nullptr;
  Carver measure_plan(nullptr);
  carve_plan(&measure_plan, &runs, &groups, &works);
  Carver measure_work(nullptr);
  static_cast<void>(Work(&measure_work, group_queries, head_dim_));
  Carver measure_state(nullptr);
  static_cast<void>(State(&measure_state, group_queries, head_dim_));

  // Thread 0's scratch: plan, its work. Thread 1's: its work, states of chunks if they are split.
  Carver carver(exec_->scratch(0, measure_plan.used() + measure_work.used()));
  carve_plan(&carver, &runs, &groups, &works);
  order_rows(runs);
  const int32_t n_groups = make_groups(static_cast<int32_t>(group_rows), groups);
  int64_t n_chunks = 0;
  for (int32_t g = 0; g < n_groups; ++g) n_chunks += groups[g].n_chunks();
  const bool split = worth_splitting(n_groups, n_chunks, measure_state.used());
  new (&works[0]) Work(&carver, group_queries, head_dim_);
  std::byte* states = nullptr;
  for (int t = 1; t < n_threads; ++t) {
    const bool with_states = split && t == 1;
    // A power of two, so that a growing sequence does not ask for more at every chunk.
    const size_t n_states = with_states ? std::bit_ceil(static_cast<size_t>(n_chunks * n_kv_heads_)) : 0;
    Carver own(exec_->scratch(t, measure_work.used() + n_states * measure_state.used()));
    new (&works[t]) Work(&own, group_queries, head_dim_);
    if (with_states) states = own.take<std::byte>(n_states * measure_state.used());
  }

  if (!split) {
    exec_->parallel_for(static_cast<int64_t>(n_groups) * n_kv_heads_, [&](int64_t task, int thread) {
      const Group& group = groups[task % n_groups];
      const int kv_head = static_cast<int>(task / n_groups);
      const Work& work = works[thread];
      pack_queries(group, kv_head, work.queries);
      for (int32_t chunk = group.chunk_begin(); chunk < group.chunk_end(); ++chunk) {
        // The first state needs no merge: merging into an empty one changes nothing.
        const bool first = chunk == group.chunk_begin();
        walk_chunk(group, kv_head, chunk, work, first ? work.total : work.part);
        if (!first) merge(group, work.total, work.part);
      }
      finish(group, kv_head, work.total);
    });
    return;
  }

  const auto state_at = [&](int kv_head, int64_t index) {
    Carver own(states + static_cast<size_t>(kv_head * n_chunks + index) * measure_state.used());
    return State(&own, group_queries, head_dim_);
  };
  exec_->parallel_for(n_chunks * n_kv_heads_, [&](int64_t task, int thread) {
    const int kv_head = static_cast<int>(task / n_chunks);
    const int64_t index = task % n_chunks;
    const Group* group = groups;
    int64_t chunk = index;
    for (; chunk >= group->n_chunks(); ++group) chunk -= group->n_chunks();
    pack_queries(*group, kv_head, works[thread].queries);
    walk_chunk(*group, kv_head, group->chunk_begin() + static_cast<int32_t>(chunk), works[thread], state_at(kv_head, index));
  });
  exec_->parallel_for(n_kv_heads_, [&](int64_t task, int) {
    const int kv_head = static_cast<int>(task);
    int64_t index = 0;
    for (int32_t g = 0; g < n_groups; ++g) {
      const State total = state_at(kv_head, index++);
      for (int32_t chunk = 1; chunk < groups[g].n_chunks(); ++chunk) merge(groups[g], total, state_at(kv_head, index++));
      finish(groups[g], kv_head, total);
    }
  });
}

void Attention::pack_queries(const Group& group, int kv_head, std::byte* queries) const {
  const AttnPackQFn pack = table_.attn_pack_q[type_];
  for (int32_t i = group.begin; i < group.end; ++i) {
    const float* const q = q_ + order_[i] * ldq_ + static_cast<int64_t>(kv_head) * gqa_ * head_dim_;
    for (int h = 0; h < gqa_; ++h, queries += kAttnQueryBytes) pack(q + h * head_dim_, head_dim_, q_scale_, queries);
  }
}

void Attention::walk_chunk(const Group& group, int kv_head, int32_t chunk, const Work& work, const State& state) const {
  state.clear(static_cast<int64_t>(group.n_rows()) * gqa_, head_dim_);
  const int32_t begin = std::max(group.block_begin, chunk * kChunkBlocks);
  const int32_t end = std::min(group.block_end, (chunk + 1) * kChunkBlocks);
  for (int32_t block = begin; block < end; ++block) walk_block(group, kv_head, block, work, state);
}

void Attention::walk_block(const Group& group, int kv_head, int32_t block, const Work& work, const State& state) const {
  const int64_t base = static_cast<int64_t>(block) * kKvBlockTokens;
  for (int32_t i = group.begin; i < group.end; ++i) {
    const int64_t hi = row(i).position + 1 - base;
    const int64_t lo = args_.window > 0 ? hi - args_.window : 0;
    for (int64_t j = (i - group.begin) * gqa_; j < (i + 1 - group.begin) * gqa_; ++j) {
      work.lo[j] = static_cast<int>(std::clamp<int64_t>(lo, 0, kKvBlockTokens));
      work.hi[j] = static_cast<int>(std::clamp<int64_t>(hi, 0, kKvBlockTokens));
    }
  }
  for (int32_t begin = group.begin; begin < group.end;) {
    int32_t end = begin + 1;
    while (end < group.end && same_[end - 1] > block) ++end;
    walk_tiles(group, kv_head, begin, end, block, work, state);
    begin = end;
  }
}

// Rows at places [begin, end) have the same block here.
void Attention::walk_tiles(const Group& group, int kv_head, int32_t begin, int32_t end, int32_t block, const Work& work,
                           const State& state) const {
  const auto sees_nothing = [&](int32_t place) {
    const int64_t j = static_cast<int64_t>(place - group.begin) * gqa_;
    return work.lo[j] >= work.hi[j];
  };
  while (begin < end && sees_nothing(begin)) ++begin;
  while (begin < end && sees_nothing(end - 1)) --end;
  if (begin == end) return;

  const std::byte* const memory = blocks(begin)[block];
  const bool last = block + 1 == end_block(row(end - 1).position);
  AttnTile tile = {};
  tile.head_dim = head_dim_;
  tile.cap = cap_;
  tile.next = last ? 0 : blocks(end - 1)[block + 1] - memory;
  const int64_t first = static_cast<int64_t>(begin - group.begin) * gqa_;
  const int64_t n = static_cast<int64_t>(end - begin) * gqa_;
  const int64_t n_tiles = (n + kAttnQueries - 1) / kAttnQueries;
  for (int64_t t = 0; t < n_tiles; ++t) {  // equal widths: 8 + 8 rather than 12 + 4
    const int64_t j = first + n * t / n_tiles;
    tile.n_q = static_cast<int>(first + n * (t + 1) / n_tiles - j);
    tile.q = work.queries + j * kAttnQueryBytes;
    tile.out = state.out + j * head_dim_;
    tile.m = state.m + j;
    tile.l = state.l + j * 16;
    tile.lo = work.lo + j;
    tile.hi = work.hi + j;
    table_.attn_block[type_](&tile, memory + args_.layout.k_offset(args_.layer, kv_head),
                             memory + args_.layout.v_offset(args_.layer, kv_head));
    tile.next = 0;
  }
}

void Attention::merge(const Group& group, const State& total, const State& part) const {
  table_.attn_merge(group.n_rows() * gqa_, head_dim_, total.out, total.m, total.l, part.out, part.m, part.l);
}

void Attention::finish(const Group& group, int kv_head, const State& state) const {
  for (int32_t i = group.begin; i < group.end; ++i) {
    const int64_t j = static_cast<int64_t>(i - group.begin) * gqa_;
    float* const out = out_ + order_[i] * ldo_ + static_cast<int64_t>(kv_head) * gqa_ * head_dim_;
    for (int h = 0; h < gqa_; ++h) {
      table_.attn_finish(head_dim_, state.out + (j + h) * head_dim_, state.l + (j + h) * 16, out + h * head_dim_);
    }
  }
}

void check_layout(const AttnArgs& args) {
  const KvLayout& layout = args.layout;
  CHECK(layout.head_dim > 0 && layout.head_dim % 16 == 0 && layout.head_dim <= kAttnMaxHeadDim);
  CHECK(layout.n_kv_heads > 0 && args.layer >= 0 && args.layer < layout.n_layers);
}

}  // namespace

void kv_store(Exec* exec, const KernelTable& table, const AttnArgs& args, std::span<const AttnRow> rows, std::span<const AttnSeq> seqs,
              const float* k, const float* v, int64_t ld) {
  check_layout(args);
  const KvWriteFn write = table.kv_write[static_cast<size_t>(args.layout.type)];
  const int64_t n_rows = static_cast<int64_t>(rows.size());
  const auto store = [&](int64_t begin, int64_t end, int kv_head) {
    const size_t k_offset = args.layout.k_offset(args.layer, kv_head);
    const size_t v_offset = args.layout.v_offset(args.layer, kv_head);
    const int64_t column = static_cast<int64_t>(kv_head) * args.layout.head_dim;
    for (int64_t i = begin; i < end; ++i) {
      const AttnRow& row = rows[static_cast<size_t>(i)];
      const AttnSeq& seq = seqs[static_cast<size_t>(row.seq)];
      CHECK(row.position >= 0 && row.position / kKvBlockTokens < seq.n_blocks);
      std::byte* const block = seq.blocks[row.position / kKvBlockTokens];
      write(block + k_offset, block + v_offset, row.position % kKvBlockTokens, args.layout.head_dim, k + i * ld + column,
            v + i * ld + column);
    }
  };
  constexpr int64_t kRowsPerTask = 32;
  const int64_t n_parts = (n_rows + kRowsPerTask - 1) / kRowsPerTask;
  if (n_rows < 8) {  // less work than waking threads
    for (int head = 0; head < args.layout.n_kv_heads; ++head) store(0, n_rows, head);
    return;
  }
  exec->parallel_for(n_parts * args.layout.n_kv_heads, [&](int64_t task, int) {
    const int64_t part = task % n_parts;
    store(part * kRowsPerTask, std::min(n_rows, (part + 1) * kRowsPerTask), static_cast<int>(task / n_parts));
  });
}

void attention(Exec* exec, const KernelTable& table, const AttnArgs& args, std::span<const AttnRow> rows, std::span<const AttnSeq> seqs,
               const float* q, int64_t ldq, float* out, int64_t ldo) {
  check_layout(args);
  CHECK(args.n_heads > 0 && args.n_heads % args.layout.n_kv_heads == 0);
  if (rows.empty()) return;
  Attention(exec, table, args, rows, seqs, q, ldq, out, ldo).run();
}

}  // namespace firesteel
