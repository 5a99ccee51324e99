// Matrix products of the forward pass: out[n][row] = sum_k w[row][k] * x[n][k], weights straight from the mapped file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <span>

#include "kernels/exec.h"
#include "kernels/table.h"
#include "tensor/dtype.h"

namespace firesteel {

// Borrowed view of a row-major weight matrix [n_rows][k].
struct WeightView {
  DType dtype = DType::kF32;
  const std::byte* data = nullptr;
  int64_t n_rows = 0;
  int64_t k = 0;
  size_t row_bytes() const { return firesteel::row_bytes(dtype, k); }
};

// How activations are represented in a product.
enum class ActKind : uint8_t { kInt8, kF32, kBF16 };

// fast: int8 for quantised weights, bf16 for bf16, f32 for f32 and f16.
// high: f32 activations against dequantised weights, always: the reference path.
enum class Precision : uint8_t { kFast, kHigh };

ActKind act_kind(DType weights, Precision precision);

// The kind of tile that an unpacker makes of a quantised type.
QTileKind tile_kind(DType weights);

// Activations packed in column tiles of at most 12 (all 12 except the last). Reused between steps: reserve once, then set()
// allocates nothing while n * k stays within the reservation.
class Activations {
 public:
  void reserve(int64_t n_max, int64_t k_max);

  // Packs rows x[index[i]] (or x[i] when index is null), i < n, of length k, as `kind`. Rows are ldx floats apart.
  // A row's packed values depend on the row only.
  void set(Exec* exec, const KernelTable& table, ActKind kind, const float* x, int64_t ldx, const int32_t* index, int64_t n, int64_t k);

  // The same in pieces, for values that are made on the way: begin() says what comes, then pack() stores k0 .. k0 + n_k of all columns
  // of a column tile (k0 a multiple of 32), each piece once, from any thread. x points at value k0 of the tile's first row (of row 0
  // when index, that of the whole call, is not null).
  void begin(ActKind kind, int64_t n, int64_t k);
  void pack(const KernelTable& table, int64_t tile, int64_t k0, int64_t n_k, const float* x, int64_t ldx, const int32_t* index);

  ActKind kind() const { return kind_; }
  int64_t n() const { return n_; }
  int64_t k() const { return k_; }
  int64_t n_tiles() const { return (n_ + kMaxCols - 1) / kMaxCols; }
  int tile_width(int64_t tile) const;
  const std::byte* tile(int64_t tile) const;  // first byte of a column tile
  size_t n_bytes() const { return n_reserved_; }

 private:
  struct Free {
    void operator()(std::byte* p) const { ::operator delete(p, std::align_val_t{64}); }
  };
  // Uninitialised: what a small batch never touches costs neither memory nor time at start.
  std::unique_ptr<std::byte, Free> storage_;
  size_t n_reserved_ = 0;
  ActKind kind_ = ActKind::kF32;
  int64_t n_ = 0;
  int64_t k_ = 0;
};

// One product of a fused list: out row i of column n goes to out[n*ldo + i].
struct MatmulJob {
  WeightView weights;
  float* out = nullptr;
  int64_t ldo = 0;
  const float* bias = nullptr;  // [n_rows] or null
  bool add = false;             // out += (residual), else out =
};

// Runs all jobs (same activations, weights of the same act_kind) as one parallel loop over panels of 16 rows.
// n == 0 does nothing. Order per output: k ascending, then bias, then the residual. `then`: a hint, the weights of the product that
// comes next.
void matmul(Exec* exec, const KernelTable& table, const Activations& x, std::span<const MatmulJob> jobs, std::span<const WeightView> then = {});

// glu(gate x + bias, up x + bias), 32 rows of both at a time, packed at once as the next product's activations: what lies between is never in
// memory as floats. The same bytes as two products, glu and a pack.
struct GluJob {
  WeightView gate, up;
  const float* gate_bias = nullptr;  // [n_rows] or null
  const float* up_bias = nullptr;
  GluFn glu = nullptr;
  Activations* out = nullptr;  // begun: n columns of gate.n_rows values
};
bool can_pair(const WeightView& gate, const WeightView& up);  // of one type and shape, n_rows a multiple of 32
void matmul_glu(Exec* exec, const KernelTable& table, const Activations& x, const GluJob& job, std::span<const WeightView> then = {});

}  // namespace firesteel
