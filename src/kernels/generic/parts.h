// The parts of the generic column: each file of this folder fills its entries of the table. Not for use outside the folder.
#pragma once

#include "kernels/table.h"

namespace firesteel {

void fill_generic_unpack(KernelTable* table);       // unpack.cc
void fill_generic_pack(KernelTable* table);         // pack.cc
void fill_generic_dot(KernelTable* table);          // dot.cc
void fill_generic_attention(KernelTable* table);    // attention.cc
void fill_generic_elementwise(KernelTable* table);  // elementwise.cc
void fill_generic_train(KernelTable* table);        // train.cc

}  // namespace firesteel
