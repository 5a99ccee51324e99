#include "kernels/table.h"

#include "kernels/generic/parts.h"

namespace firesteel {

KernelTable generic_table() {
  KernelTable table = {};
  table.isa = "generic";
  fill_generic_unpack(&table);
  fill_generic_pack(&table);
  fill_generic_dot(&table);
  fill_generic_attention(&table);
  fill_generic_elementwise(&table);
  fill_generic_train(&table);
  return table;
}

}  // namespace firesteel
