// Instruction sets: which ones this binary contains, which of them this CPU can run, and the choice of one.
// The only code that queries the CPU.
#pragma once

#include <string>
#include <vector>

#include "table.h"

namespace fw {

// Those that this CPU can run, slowest first.
std::vector<const KernelTable*> available_isas();
// All in this binary, slowest first.
std::vector<std::string> built_isas();
// The one with this name, or the fastest for "". Throws std::invalid_argument with the available names.
const KernelTable& choose_isa(const std::string& name);

}  // namespace fw
