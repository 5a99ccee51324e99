#include "train/linear.h"

#include <algorithm>

#include "base/check.h"

namespace firesteel {

void OperandPanels::pack(const TrainOps& ops, const OperandRows& rows, int64_t row0, int64_t n, int64_t k0) const {
  DCHECK(k0 % 2 == 0 && k0 + n <= n_k_max);
  for (int64_t p = 0; p < n_panels(cols); ++p) {
    const int64_t col = p * kTrainPanel;
    const int width = static_cast<int>(std::min<int64_t>(kTrainPanel, cols - col));
    ops.typed().pack(rows.at(ops, row0, col), rows.ld, n, width, panel(ops, p, k0));
  }
}

// Row tile by row tile of the left side, which stays in the first-level cache while the panels of the right side pass by.
void multiply_panels(const TrainOps& ops, const OperandPanels& left, const OperandPanels& right, int64_t n_k, float* dst, int64_t ld, bool accumulate) {
  constexpr int64_t kRows = 11;  // a third of a panel
  for (int64_t i = 0; i < n_panels(left.cols); ++i) {
    const int64_t n_rows = std::min<int64_t>(kTrainPanel, left.cols - i * kTrainPanel);
    for (int64_t r = 0; r < n_rows; r += kRows) {
      for (int64_t j = 0; j < n_panels(right.cols); ++j) {
        const int64_t col = j * kTrainPanel;
        const int width = static_cast<int>(std::min<int64_t>(kTrainPanel, right.cols - col));
        ops.typed().mul(left.panel(ops, i) + r * 4, 1, kTrainPanel, std::min(kRows, n_rows - r), right.panel(ops, j), ops.units(n_k),
                        dst + (i * kTrainPanel + r) * ld + col, ld, width, accumulate ? 1 : 0);
      }
    }
  }
}

void LinearLayer::reserve(const TrainOps& ops) {
  forward_.reset(static_cast<size_t>(n_panels(n_out_)) * ops.panel_bytes(n_in_));
  // Parts of 32 outputs are written apart from each other; n_out is a multiple of 16, so of whole pairs.
  backward_.reset(static_cast<size_t>(n_panels(n_in_)) * ops.panel_bytes(n_out_));
}

void LinearLayer::pack(const TrainOps& ops, const float* parameters, int64_t part, std::byte* scratch) {
  const int64_t row = part * kTrainPanel;
  const int64_t n = std::min<int64_t>(kTrainPanel, n_out_ - row);
  ops.typed().store(parameters + offset_ + row * n_in_, n * n_in_, scratch);
  ops.typed().pack_transposed(scratch, n_in_, static_cast<int>(n), n_in_, forward_.data() + static_cast<size_t>(part) * ops.panel_bytes(n_in_));
  const OperandPanels backward{backward_.data(), n_in_, n_out_};
  backward.pack(ops, OperandRows{scratch, n_in_}, 0, n, row);
}

void LinearLayer::forward_panel(const TrainOps& ops, const OperandRows& x, int64_t row0, int64_t n_rows, int64_t panel, float* y, int64_t ldy, bool accumulate) const {
  const int64_t col = panel * kTrainPanel;
  const int width = static_cast<int>(std::min<int64_t>(kTrainPanel, n_out_ - col));
  ops.typed().mul(x.at(ops, row0), ops.row_units(x.ld), 1, n_rows, forward_.data() + static_cast<size_t>(panel) * ops.panel_bytes(n_in_),
                  ops.units(n_in_), y + col, ldy, width, accumulate ? 1 : 0);
}

void LinearLayer::backward_panel(const TrainOps& ops, const OperandRows& dy, int64_t row0, int64_t n_rows, int64_t panel, float* dx, int64_t ldx, bool accumulate) const {
  const int64_t col = panel * kTrainPanel;
  const int width = static_cast<int>(std::min<int64_t>(kTrainPanel, n_in_ - col));
  ops.typed().mul(dy.at(ops, row0), ops.row_units(dy.ld), 1, n_rows, backward_.data() + static_cast<size_t>(panel) * ops.panel_bytes(n_out_),
                  ops.units(n_out_), dx + col, ldx, width, accumulate ? 1 : 0);
}

void LinearLayer::forward(const TrainOps& ops, const OperandRows& x, int64_t row0, int64_t n_rows, float* y, int64_t ldy, bool accumulate) const {
  for (int64_t p = 0; p < n_panels(n_out_); ++p) forward_panel(ops, x, row0, n_rows, p, y, ldy, accumulate);
}

void LinearLayer::backward_input(const TrainOps& ops, const OperandRows& dy, int64_t row0, int64_t n_rows, float* dx, int64_t ldx, bool accumulate) const {
  for (int64_t p = 0; p < n_panels(n_in_); ++p) backward_panel(ops, dy, row0, n_rows, p, dx, ldx, accumulate);
}

}  // namespace firesteel
