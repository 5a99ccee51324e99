#include "kernels/table.h"

#include "kernels/avx512/parts.h"

namespace firesteel {

KernelTable avx512_table() {
  KernelTable table = generic_table();
  table.isa = "avx512";
  fill_avx512_unpack(&table);
  fill_avx512_pack(&table);
  fill_avx512_dot(&table);
  fill_avx512_attention(&table);
  fill_avx512_elementwise(&table);
  fill_avx512_train(&table);
  fill_avx512_train_mul(&table);
  return table;
}

}  // namespace firesteel
