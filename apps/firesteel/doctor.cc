// firesteel doctor: what this machine offers and what would be used.
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>

#include <fmt/format.h>

#include "base/json.h"
#include "build_info.h"
#include "commands.h"
#include "embedded_model.h"
#include "kernels/dispatch.h"
#include "load_model.h"
#include "machine.h"
#include "model_store.h"
#include "terminal.h"
#include "tools/sandbox.h"

namespace firesteel {
namespace {

struct DoctorOptions {
  ModelOptions model;
  bool json = false;
};

// Rows of "name value"; a warning is shown beside what it is about.
class Report {
 public:
  void section(const char* name) { section_ = name; }
  void add(const char* name, const std::string& text, const Json& value, const std::string& warning) {
    rows_.push_back({section_, name, text, value, warning});
  }
  void add_number(const char* name, const std::string& text, const Json& value) { add(name, text, value, ""); }
  void add_text(const char* name, const std::string& text, const std::string& warning = {}) { add(name, text, Json(text), warning); }

  void print() const {
    std::string section;
    for (const Row& row : rows_) {
      if (row.section != section) fmt::print("{}{}\n", section.empty() ? "" : "\n", row.section);
      section = row.section;
      fmt::print("  {:22} {}\n", row.name, row.text);
      if (!row.warning.empty()) fmt::print("  {:22} ! {}\n", "", row.warning);
    }
  }
  void print_json() const {
    Json out;
    Json::Array warnings;
    for (const Row& row : rows_) {
      Json section = out.find(row.section) != nullptr ? *out.find(row.section) : Json();
      section.set(row.name, row.value);
      out.set(row.section, std::move(section));
      if (!row.warning.empty()) warnings.emplace_back(row.warning);
    }
    out.set("warnings", std::move(warnings));
    fmt::print("{}\n", out.dump());
  }

 private:
  struct Row {
    std::string section, name, text;
    Json value;
    std::string warning;
  };
  std::string section_;
  std::vector<Row> rows_;
};

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

Json bytes_json(uint64_t n) { return Json(static_cast<int64_t>(n)); }

void add_limit(Report* report, const char* name, int resource, bool bytes) {
  rlimit limit{};
  if (getrlimit(static_cast<__rlimit_resource>(resource), &limit) != 0) return;
  if (limit.rlim_cur == RLIM_INFINITY) {
    report->add_text(name, "unlimited");
  } else {
    report->add_number(name, bytes ? format_bytes(limit.rlim_cur) : std::to_string(limit.rlim_cur), Json(static_cast<int64_t>(limit.rlim_cur)));
  }
}

std::string chosen_huge_pages(const char* file) {
  // "always [madvise] never": the one in brackets.
  const std::string line = first_line(std::string("/sys/kernel/mm/transparent_hugepage/") + file);
  const size_t open = line.find('[');
  const size_t close = line.find(']');
  return open == std::string::npos || close < open ? (line.empty() ? "unknown" : line) : line.substr(open + 1, close - open - 1);
}

void report_cpu(Report* report, int n_threads) {
  report->section("cpu");
  report->add_text("name", cpu_name());
  report->add_text("features", cpu_features());
  report->add_text("kernels available", joined(available_isas()));
  const Result<const KernelTable*> table = default_kernel_table();
  const char* const forced = std::getenv("FS_ISA");
  report->add_text("kernels chosen", table.ok() ? std::string((*table)->isa) + (forced != nullptr ? " (forced by FS_ISA)" : "") : "none",
              table.ok() ? std::string() : table.error().message);
  const auto online = static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN));
  report->add_number("cpus online", std::to_string(online), Json(online));
  report->add_number("cpus usable", std::to_string(n_usable_cpus()), Json(n_usable_cpus()));
  if (const std::optional<double> granted = cgroup_cpus()) {
    report->add("cpus granted", fmt::format("{:.2f}", *granted), Json(*granted),
                *granted + 0.01 < n_threads ? fmt::format("the control group grants less time than {} threads use: --threads {}", n_threads,
                                                          std::max(1, static_cast<int>(*granted)))
                                            : "");
  }
  report->add_number("threads", std::to_string(n_threads), Json(n_threads));
  report->add_number("last level cache", format_bytes(last_level_cache_bytes()), bytes_json(last_level_cache_bytes()));
}

void report_memory(Report* report, int n_threads) {
  report->section("memory");
  const MemoryFacts memory = memory_facts();
  report->add_number("total", format_bytes(memory.total_bytes), bytes_json(memory.total_bytes));
  report->add_number("available", format_bytes(memory.available_bytes), bytes_json(memory.available_bytes));
  if (memory.cgroup_limit_bytes) report->add_number("control group limit", format_bytes(*memory.cgroup_limit_bytes), bytes_json(*memory.cgroup_limit_bytes));
  report->add_text("page size", format_bytes(static_cast<uint64_t>(sysconf(_SC_PAGESIZE))));
  const std::string huge = chosen_huge_pages("enabled");
  report->add_text("huge pages", huge, huge == "never" ? "transparent huge pages are off: keys and values are read more slowly" : "");
  const std::string proactive = first_line("/sys/module/damon_reclaim/parameters/enabled");
  if (proactive == "Y") report->add_text("proactive reclaim", "on", "idle page cache is evicted: a model unused for minutes is read from disk again");
  const double bandwidth = BandwidthProbe(n_threads).measure(5);
  report->add_number("read bandwidth", bandwidth > 0 ? fmt::format("{:.1f} GB/s with {} threads", bandwidth, n_threads) : "not measured: too little memory",
              Json(bandwidth));
}

void report_system(Report* report) {
  report->section("limits");
  add_limit(report, "open files", RLIMIT_NOFILE, false);
  add_limit(report, "locked memory", RLIMIT_MEMLOCK, true);
  add_limit(report, "address space", RLIMIT_AS, true);
  report->section("program");
  report->add_text("version", std::string(build_version()) + " (" + build_commit() + ")");
  report->add_text("built with", std::string(build_compiler()) + ", " + build_flags());
  utsname name{};
  if (uname(&name) == 0) report->add_text("system", std::string(name.sysname) + " " + name.release + " " + name.machine);
  const uint64_t n_built_in = embedded_text_model().bytes.size() + embedded_vision_model().bytes.size();
  report->add_text("model built in", n_built_in == 0 ? "none" : std::string(kEmbeddedModelName) + ", " + format_bytes(n_built_in));
  report->add_text("model store", model_store_dir());
  report->add_text("hub cache", hub_cache_dir());
  report->add_number("models found", std::to_string(list_models().size()), Json(static_cast<int64_t>(list_models().size())));
  std::string settings;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string_view text(*variable);
    if (text.starts_with("FIRESTEEL_DATABASE=")) {  // may hold a password
      settings += settings.empty() ? "FIRESTEEL_DATABASE=..." : " FIRESTEEL_DATABASE=...";
      continue;
    }
    if (text.starts_with("FIRESTEEL_") || text.starts_with("FS_ISA=")) settings += (settings.empty() ? "" : " ") + std::string(text);
  }
  report->add_text("environment", settings.empty() ? "nothing set" : settings);
}

// Where code of models would run. Making one starts bubblewrap once.
void report_sandbox(Report* report) {
  report->section("sandbox");
  const Result<std::unique_ptr<Sandbox>> sandbox = Sandbox::open();
  report->add_text("code of models", sandbox.ok() ? "bubblewrap, no network" : "none", sandbox.ok() ? "" : sandbox.error().message);
  if (sandbox.ok()) report->add_text("kept in bounds by", (*sandbox)->bounds());
}

Status report_model(Report* report, const ModelOptions& options) {
  FS_TRY(const LoadedModel loaded, load_model(options, /*want_template=*/true));
  report->section("model");
  report->add_text("path", loaded.path);
  report->add_number("size", format_bytes(loaded.checkpoint->file_bytes()), bytes_json(loaded.checkpoint->file_bytes()));
  if (const std::optional<double> share = page_cache_share(loaded.path)) {
    report->add("in page cache", fmt::format("{:.0f} %", *share * 100), Json(*share),
                *share < 0.99 ? "the first answer waits for the disk" : "");
  }
  const uint64_t available = memory_facts().available_bytes;
  const bool fits = loaded.checkpoint->file_bytes() < available;
  report->add_text("fits memory", fits ? "yes" : "no", fits ? "" : "the file is larger than the available memory: every token would wait for the disk");
  return {};
}

}  // namespace

void add_doctor(Command root) {
  const auto options = std::make_shared<DoctorOptions>();
  Command command = root.subcommand("doctor", "Show CPU features, chosen kernels, memory and limits, and warn about what slows answers down");
  add_model_option(&command, &options->model);
  add_engine_options(&command, &options->model);
  command.flag("--json", &options->json, "Print one JSON object");
  command.examples(
      "  firesteel doctor\n"
      "  firesteel doctor --model MODEL.gguf --json\n"
      "Measures read bandwidth for about a second.");
  add_doctor_isolation(command);
  command.run([options] {
    const int n_threads = threads_to_use(options->model);
    Report report;
    report_cpu(&report, n_threads);
    report_memory(&report, n_threads);
    report_system(&report);
    report_sandbox(&report);
    Status status;
    if (!options->model.model.empty()) status = report_model(&report, options->model);
    if (!status.ok()) return fail(status.error(), options->json);
    options->json ? report.print_json() : report.print();
    return static_cast<int>(kExitOk);
  });
}

}  // namespace firesteel
