#include "dispatch.h"

#include <stdexcept>

namespace fw {

// isa_list.inc is generated from the rows in CMakeLists.txt: ISA(name, condition on the CPU), slowest first.
#define ISA(name, supported) extern const KernelTable fw_kernels_##name;
#include "isa_list.inc"
#undef ISA

namespace {

struct Isa {
  const KernelTable* table;
  bool supported;
};

const std::vector<Isa>& isas() {
  static const std::vector<Isa> list = [] {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_cpu_init();
#endif
    return std::vector<Isa>{
#define ISA(name, supported) {&fw_kernels_##name, (supported)},
#include "isa_list.inc"
#undef ISA
    };
  }();
  return list;
}

std::string join(const std::vector<std::string>& names) {
  std::string s;
  for (const std::string& n : names) s += (s.empty() ? "" : ", ") + n;
  return s;
}

}  // namespace

std::vector<const KernelTable*> available_isas() {
  std::vector<const KernelTable*> v;
  for (const Isa& isa : isas())
    if (isa.supported) v.push_back(isa.table);
  return v;
}

std::vector<std::string> built_isas() {
  std::vector<std::string> v;
  for (const Isa& isa : isas()) v.emplace_back(isa.table->name);
  return v;
}

const KernelTable& choose_isa(const std::string& name) {
  const auto available = available_isas();
  if (name.empty()) return *available.back();
  std::vector<std::string> names;
  for (const KernelTable* t : available) {
    if (name == t->name) return *t;
    names.emplace_back(t->name);
  }
  for (const std::string& built : built_isas())
    if (name == built)
      throw std::invalid_argument("isa: this CPU cannot run '" + name + "'; it can run " +
                                  join(names));
  throw std::invalid_argument("isa: expected one of " + join(names) + ", found '" + name + "'");
}

}  // namespace fw
