// Which instruction sets this binary holds, which of them this CPU can run, and the choice among them.
// The only code that asks the CPU.
#pragma once

#include <string>
#include <vector>

#include "table.h"

namespace fw {

// Those that can run here, slowest first.
std::vector<const KernelTable*> available_isas();
// Those in this binary, whether or not the CPU can run them, slowest first.
std::vector<std::string> built_isas();
// By name; throws std::invalid_argument naming what there is. "" chooses the fastest.
const KernelTable& choose_isa(const std::string& name);

}  // namespace fw
