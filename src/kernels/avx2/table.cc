#include "kernels/avx2/parts.h"

namespace firesteel {

KernelTable avx2_table() {
  KernelTable table = generic_table();
  table.isa = "avx2";
  fill_avx2_unpack(&table);
  fill_avx2_pack(&table);
  fill_avx2_dot_float(&table);
  fill_avx2_dot(&table);
  fill_avx2_attention(&table);
  fill_avx2_elementwise(&table);
  fill_avx2_train(&table);
  return table;
}

}  // namespace firesteel
