#include "kernels/avx512/parts.h"

namespace firesteel {

void fill_avx512_unpack(KernelTable* table) {
  fill_avx512_unpack_32(table);
  fill_avx512_unpack_k(table);
  fill_avx512_unpack_float(table);  // last: uses the others
}

}  // namespace firesteel
