#include "dataset/adapter_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <system_error>

#include <fmt/format.h>

#include "base/json.h"
#include "base/mapped_file.h"

namespace firesteel {
namespace {

constexpr size_t kHeadBytes = 4u << 20;
constexpr size_t kEntriesMax = 100'000;
constexpr int kDepthMax = 8;

// The first bytes of a file; empty when it cannot be read.
std::string head_of(const std::string& path) {
  std::string out;
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return out;
  out.resize(kHeadBytes);
  size_t n = 0;
  while (n < out.size()) {
    const ssize_t got = ::read(fd, out.data() + n, out.size() - n);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    n += static_cast<size_t>(got);
  }
  ::close(fd);
  out.resize(n);
  return out;
}

}  // namespace

Result<std::vector<AdapterUse>> find_adapters_of(const std::vector<std::string>& folders, const std::vector<std::string>& digests) {
  namespace fs = std::filesystem;
  std::vector<AdapterUse> out;
  if (digests.empty()) return out;
  const auto look = [&](const std::string& file, const std::string& adapter) {
    const std::string head = head_of(file);
    for (const std::string& digest : digests) {
      if (head.find(digest) == std::string::npos) continue;
      const bool known = std::any_of(out.begin(), out.end(), [&](const AdapterUse& use) { return use.path == adapter; });
      if (!known) out.push_back({adapter, digest});
      return;
    }
  };
  for (const std::string& folder : folders) {
    std::error_code error;
    size_t n = 0;
    fs::recursive_directory_iterator entry(folder, fs::directory_options::skip_permission_denied, error), end;
    if (error) return Error{error == std::errc::no_such_file_or_directory ? ErrorCode::kNotFound : ErrorCode::kIo, folder + ": " + error.message()};
    for (; entry != end; entry.increment(error)) {
      if (error) return Error{ErrorCode::kIo, folder + ": " + error.message()};
      if (++n > kEntriesMax) return Error{ErrorCode::kResourceExhausted, fmt::format("{}: more than {} files", folder, kEntriesMax)};
      if (entry.depth() > kDepthMax) entry.disable_recursion_pending();
      if (!entry->is_regular_file(error)) continue;
      const std::string path = entry->path().string(), parent = entry->path().parent_path().string();
      if (parent.ends_with(".retired")) continue;
      if (path.ends_with(".gguf")) look(path, path);
      if (path.ends_with(".json") && fs::exists(entry->path().parent_path() / "adapter_config.json", error)) look(path, parent);
    }
  }
  std::sort(out.begin(), out.end(), [](const AdapterUse& a, const AdapterUse& b) { return a.path < b.path; });
  return out;
}

Status retire_adapter(const AdapterUse& use, const std::string& reason) {
  const Json note = Json::Object{{"reason", reason}, {"dataset", use.digest}};
  FS_TRY_VOID(write_file_atomic(use.path + ".retired.json", note.dump(2) + "\n"));
  if (::rename(use.path.c_str(), (use.path + ".retired").c_str()) != 0 && errno != ENOENT) return Error{ErrorCode::kIo, use.path + ": " + std::strerror(errno)};
  return {};
}

}  // namespace firesteel
