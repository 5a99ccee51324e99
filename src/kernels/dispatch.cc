#include "kernels/dispatch.h"

#include <array>
#include <cstdlib>
#include <utility>

#if defined(__aarch64__)
#include <sys/auxv.h>
#endif

namespace firesteel {
namespace {

struct Feature {
  const char* name;
  bool present;
};

#if defined(__x86_64__)

// __builtin_cpu_supports also asks whether the operating system saves the registers.
std::vector<Feature> features() {
  __builtin_cpu_init();
  const auto flag = [](int supported) { return supported != 0; };
  return {{"sse4.2", flag(__builtin_cpu_supports("sse4.2"))},
          {"avx", flag(__builtin_cpu_supports("avx"))},
          {"avx2", flag(__builtin_cpu_supports("avx2"))},
          {"fma", flag(__builtin_cpu_supports("fma"))},
          {"avx512f", flag(__builtin_cpu_supports("avx512f"))},
          {"avx512bw", flag(__builtin_cpu_supports("avx512bw"))},
          {"avx512dq", flag(__builtin_cpu_supports("avx512dq"))},
          {"avx512vl", flag(__builtin_cpu_supports("avx512vl"))},
          {"avx512vnni", flag(__builtin_cpu_supports("avx512vnni"))},
          {"avx512bf16", flag(__builtin_cpu_supports("avx512bf16"))},
          {"avx512vbmi", flag(__builtin_cpu_supports("avx512vbmi"))},
          {"avx512vbmi2", flag(__builtin_cpu_supports("avx512vbmi2"))}};
}

void relax() { __builtin_ia32_pause(); }

#elif defined(__aarch64__)

std::vector<Feature> features() {
  const unsigned long caps = getauxval(AT_HWCAP);
  const unsigned long caps2 = getauxval(AT_HWCAP2);
  return {{"asimd", (caps & (1ul << 1)) != 0}, {"dotprod", (caps & (1ul << 20)) != 0},
          {"i8mm", (caps2 & (1ul << 13)) != 0}, {"bf16", (caps2 & (1ul << 14)) != 0}};
}

void relax() { asm volatile("yield"); }

#else

std::vector<Feature> features() { return {}; }

void relax() {}

#endif

bool has_all(const std::vector<Feature>& cpu, std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) {
    bool found = false;
    for (const Feature& feature : cpu) found = found || (feature.present && feature.name == name);
    if (!found) return false;
  }
  return true;
}

std::vector<KernelTable> build_tables() {
  const std::vector<Feature> cpu = features();
  std::vector<KernelTable> tables = {generic_table()};
  const auto offer = [&tables](bool can_run, KernelTable (*column)(), std::string_view isa) {
    if (!can_run) return;
    const KernelTable table = column();  // a stub keeps generic's name
    if (table.isa == isa) tables.push_back(table);
  };
  // F16C came before FMA3 on every processor that has AVX2.
  offer(has_all(cpu, {"avx2", "fma"}), avx2_table, "avx2");
  offer(has_all(cpu, {"avx2", "fma", "avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512vnni", "avx512bf16", "avx512vbmi", "avx512vbmi2"}),
        avx512_table, "avx512");
  offer(has_all(cpu, {"asimd", "dotprod"}), neon_table, "neon");
  return tables;
}

const std::vector<KernelTable>& tables() {
  static const std::vector<KernelTable> all = build_tables();
  return all;
}

}  // namespace

std::vector<std::string> available_isas() {
  std::vector<std::string> names;
  for (const KernelTable& table : tables()) names.emplace_back(table.isa);
  return names;
}

Result<const KernelTable*> kernel_table(std::string_view name) {
  if (name.empty()) return &tables().back();
  std::string available;
  for (const KernelTable& table : tables()) {
    if (table.isa == name) return &table;
    available += (available.empty() ? "" : ", ") + std::string(table.isa);
  }
  return Error{ErrorCode::kInvalidArgument, "instruction set '" + std::string(name) + "' cannot be used on this machine; available: " + available};
}

Result<const KernelTable*> default_kernel_table() {
  const char* forced = std::getenv("FS_ISA");
  return kernel_table(forced != nullptr ? forced : "");
}

void cpu_relax() { relax(); }

std::string cpu_features() {
  std::string text;
  for (const Feature& feature : features()) {
    if (feature.present) text += (text.empty() ? "" : " ") + std::string(feature.name);
  }
  return text;
}

}  // namespace firesteel
