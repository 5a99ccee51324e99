// Chooses the kernel table once. FS_ISA=generic|avx2|avx512|neon forces a column; a name this machine cannot run is an error.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "kernels/table.h"

namespace firesteel {

// Columns this CPU can run, best last; "generic" is always first.
std::vector<std::string> available_isas();

// name empty: the best available. kInvalidArgument names the available ones otherwise. The table lives for the whole program.
Result<const KernelTable*> kernel_table(std::string_view name);

// kernel_table(getenv("FS_ISA")): the one environment variable read outside apps.
Result<const KernelTable*> default_kernel_table();

// What the CPU reports, for `doctor`: "avx512f avx512vnni ...".
std::string cpu_features();

// In a spin loop: saves power, and gives a sibling hardware thread the pipeline.
void cpu_relax();

}  // namespace firesteel
