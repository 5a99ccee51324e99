#include "kernels/neon/parts.h"

namespace firesteel {

KernelTable neon_table() {
  KernelTable table = generic_table();
  table.isa = "neon";
  fill_neon_unpack(&table);
  fill_neon_pack(&table);
  fill_neon_dot_float(&table);
  fill_neon_dot(&table);
  fill_neon_attention(&table);
  fill_neon_elementwise(&table);
  return table;
}

}  // namespace firesteel
