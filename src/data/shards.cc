#include "data/shards.h"

#include <errno.h>
#include <fmt/format.h>
#include <string.h>
#include <sys/stat.h>
#include <zstd.h>

#include <algorithm>
#include <utility>

#include "base/json.h"
#include "base/mapped_file.h"
#include "base/mutex.h"
#include "data/sample_json.h"

namespace firesteel {
namespace {

constexpr int kCodeVersion = 3;       // raised when the engine changes what it writes
constexpr int kCompression = 6;
constexpr uint64_t kShardBytesMax = uint64_t{2} << 30;  // decompressed
constexpr uint64_t kCardBytesMax = 64u << 20;

std::string shard_name(uint64_t shard) { return fmt::format("shard-{:06}.jsonl.zst", shard); }

Json plan_json(const ShardOptions& options) {
  Json::Object mixture;
  const auto& lines = options.synth.mixture.empty() ? default_mixture() : options.synth.mixture;
  for (const auto& [kind, weight] : lines) mixture.emplace_back(kind, weight);
  return Json::Object{{"samples", static_cast<int64_t>(options.n_samples)},
                      {"samples_per_shard", static_cast<int64_t>(options.n_per_shard)},
                      {"seed", fmt::format("{}", options.synth.seed)},
                      {"split", options.synth.split == Split::kTrain ? "train" : "eval"},
                      {"mixture", std::move(mixture)},
                      {"generator", generator_version()},
                      {"real", !options.synth.generators.gsm8k_train.empty() || !options.synth.generators.mawps.empty()}};
}

Result<std::string> compressed(const std::string& text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  const size_t n = ZSTD_compress(out.data(), out.size(), text.data(), text.size(), kCompression);
  if (ZSTD_isError(n)) return Error{ErrorCode::kInternal, fmt::format("zstd: {}", ZSTD_getErrorName(n))};
  out.resize(n);
  return out;
}

Result<std::string> decompressed(const std::string& path, const std::string& bytes) {
  const auto damaged = [&](std::string_view what) { return Error{ErrorCode::kDataLoss, fmt::format("{}: offset 0: {}", path, what)}; };
  const unsigned long long size = ZSTD_getFrameContentSize(bytes.data(), bytes.size());
  if (size == ZSTD_CONTENTSIZE_ERROR || size == ZSTD_CONTENTSIZE_UNKNOWN) return damaged("expected a zstd frame with its size");
  if (size > kShardBytesMax) return damaged(fmt::format("{} bytes, at most {} are allowed", size, kShardBytesMax));
  std::string text(static_cast<size_t>(size), '\0');
  const size_t n = ZSTD_decompress(text.data(), text.size(), bytes.data(), bytes.size());
  if (ZSTD_isError(n) || n != text.size()) return damaged(ZSTD_isError(n) ? ZSTD_getErrorName(n) : "shorter than it says");
  return text;
}

// Offsets of the lines and the end.
std::vector<size_t> line_offsets(const std::string& text) {
  std::vector<size_t> offsets = {0};
  for (size_t at = text.find('\n'); at != std::string::npos; at = text.find('\n', at + 1)) offsets.push_back(at + 1);
  return offsets;
}

std::string hash_text(const std::string& bytes) { return fmt::format("{:016x}", stable_hash(bytes)); }

bool exists(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0;
}

Status make_folder(const std::string& path) {
  if (::mkdir(path.c_str(), 0777) != 0 && errno != EEXIST) return Error{ErrorCode::kIo, fmt::format("{}: {}", path, ::strerror(errno))};
  return {};
}

struct Member {
  static Result<uint64_t> count(const Json& object, std::string_view name, const std::string& path) {
    const Json* member = object.find(name);
    if (member == nullptr || !member->is_int() || member->as_int() < 0) {
      return Error{ErrorCode::kDataLoss, fmt::format("{}: expected a whole number \"{}\"", path, name)};
    }
    return static_cast<uint64_t>(member->as_int());
  }
};

Json card_json(const ShardOptions& options, const DatasetCard& card) {
  Json json = plan_json(options);
  Json::Array shards;
  for (size_t i = 0; i < card.shard_bytes.size(); ++i) {
    shards.push_back(Json::Object{{"file", shard_name(i)}, {"bytes", static_cast<int64_t>(card.shard_bytes[i])}, {"fnv1a64", card.shard_hashes[i]}});
  }
  Json::Object kinds;
  for (const auto& [kind, n] : card.kinds) kinds.emplace_back(kind, static_cast<int64_t>(n));
  json.set("kinds", std::move(kinds));
  json.set("shards", std::move(shards));
  json.set("split_rule",
           "About 15 % of the sentence forms of each text and 12 % of the values of each wide range, both by hash, are for evaluation only; "
           "training shows none of them, each evaluation sample at least one. Real problems are split by sentence skeleton.");
  json.set("licence", "synthetic: as this repository; real/gsm8k and real/mawps: MIT");
  return json;
}

}  // namespace

std::string generator_version() {
  static const std::string version = [] {
    std::string all = fmt::format("code {}\n", kCodeVersion);
    for (const CurriculumFile& file : embedded_curricula()) all += fmt::format("{} {:016x}\n", file.name, stable_hash(file.text));
    return fmt::format("{}-{:016x}", kCodeVersion, stable_hash(all));
  }();
  return version;
}

Result<DatasetCard> write_shards(const ShardOptions& options, const std::function<bool(uint64_t n_done)>& progress) {
  if (options.n_samples == 0 || options.n_per_shard == 0) return Error{ErrorCode::kInvalidArgument, "a data set needs samples and shards of at least one"};
  FS_TRY_VOID(make_folder(options.folder));
  const std::string plan_path = options.folder + "/plan.json";
  const std::string plan = plan_json(options).dump(2) + "\n";
  if (exists(plan_path)) {
    FS_TRY(const std::string found, read_file(plan_path, kCardBytesMax));
    if (found != plan) return Error{ErrorCode::kFailedPrecondition, plan_path + ": another data set was begun here; use another folder"};
  } else {
    FS_TRY_VOID(write_file_atomic(plan_path, plan));
  }
  FS_TRY(const std::unique_ptr<SynthSource> source, SynthSource::create(options.synth));
  DatasetCard card{.n_samples = options.n_samples, .n_per_shard = options.n_per_shard, .shard_bytes = {}, .shard_hashes = {}, .kinds = {}, .generator = generator_version()};
  const uint64_t n_shards = (options.n_samples - 1) / options.n_per_shard + 1;
  for (uint64_t shard = 0; shard < n_shards; ++shard) {
    const std::string path = options.folder + "/" + shard_name(shard);
    const uint64_t begin = shard * options.n_per_shard;
    const uint64_t end = std::min(begin + options.n_per_shard, options.n_samples);
    if (!exists(path)) {
      std::string text;
      for (uint64_t i = begin; i < end; ++i) {
        FS_TRY(const Sample sample, source->sample(i));
        text += sample_line(sample);
        text += '\n';
      }
      FS_TRY(const std::string bytes, compressed(text));
      FS_TRY_VOID(write_file_atomic(path, bytes));
    }
    // Read back even if it was just written: what the card says has been seen on the disk.
    FS_TRY(const std::string bytes, read_file(path, kShardBytesMax));
    FS_TRY(const std::string text, decompressed(path, bytes));
    const std::vector<size_t> offsets = line_offsets(text);
    if (offsets.size() != end - begin + 1) {
      return Error{ErrorCode::kDataLoss, fmt::format("{}: offset {}: expected {} lines, found {}; remove it to have it written anew", path, text.size(), end - begin, offsets.size() - 1)};
    }
    for (size_t i = 0; i + 1 < offsets.size(); ++i) {
      const Result<Sample> sample = parse_sample_line(std::string_view(text).substr(offsets[i], offsets[i + 1] - offsets[i]));
      if (!sample.ok()) return Error{ErrorCode::kDataLoss, fmt::format("{}: offset {}: {}", path, offsets[i], sample.error().message)};
      ++card.kinds[sample->kind];
    }
    card.shard_bytes.push_back(bytes.size());
    card.shard_hashes.push_back(hash_text(bytes));
    if (progress && !progress(end)) return Error{ErrorCode::kCancelled, fmt::format("{}: stopped after {} samples; the same command goes on", options.folder, end)};
  }
  FS_TRY_VOID(write_file_atomic(options.folder + "/card.json", card_json(options, card).dump(2) + "\n"));
  return card;
}

struct ShardSource::Impl {
  std::string folder;
  DatasetCard card;

  Mutex mutex;
  uint64_t loaded FS_GUARDED_BY(mutex) = UINT64_MAX;
  std::string text FS_GUARDED_BY(mutex);
  std::vector<size_t> offsets FS_GUARDED_BY(mutex);

  Status load(uint64_t shard) FS_REQUIRES(mutex) {
    const std::string path = folder + "/" + shard_name(shard);
    FS_TRY(const std::string bytes, read_file(path, kShardBytesMax));
    if (bytes.size() != card.shard_bytes[shard] || hash_text(bytes) != card.shard_hashes[shard]) {
      return Error{ErrorCode::kDataLoss, fmt::format("{}: offset 0: the file ({} bytes) is not the one of the card ({} bytes, {})", path, bytes.size(),
                                                     card.shard_bytes[shard], card.shard_hashes[shard])};
    }
    loaded = UINT64_MAX;
    FS_TRY(text, decompressed(path, bytes));
    offsets = line_offsets(text);
    const uint64_t expected = std::min(card.n_per_shard, card.n_samples - shard * card.n_per_shard);
    if (offsets.size() != expected + 1) {
      return Error{ErrorCode::kDataLoss, fmt::format("{}: offset {}: expected {} lines, found {}", path, text.size(), expected, offsets.size() - 1)};
    }
    loaded = shard;
    return {};
  }
};

ShardSource::ShardSource(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ShardSource::~ShardSource() = default;
uint64_t ShardSource::size() const { return impl_->card.n_samples; }
const DatasetCard& ShardSource::card() const { return impl_->card; }

Result<std::unique_ptr<ShardSource>> ShardSource::open(const std::string& folder) {
  auto impl = std::make_unique<Impl>();
  impl->folder = folder;
  const std::string path = folder + "/card.json";
  FS_TRY(const std::string text, read_file(path, kCardBytesMax));
  const Result<Json> json = Json::parse(text);
  if (!json.ok() || !json->is_object()) return Error{ErrorCode::kDataLoss, fmt::format("{}: {}", path, json.ok() ? "expected an object" : json.error().message)};
  DatasetCard& card = impl->card;
  FS_TRY(card.n_samples, Member::count(*json, "samples", path));
  FS_TRY(card.n_per_shard, Member::count(*json, "samples_per_shard", path));
  const Json* shards = json->find("shards");
  if (card.n_samples == 0 || card.n_per_shard == 0 || shards == nullptr || !shards->is_array() ||
      shards->as_array().size() != (card.n_samples - 1) / card.n_per_shard + 1) {
    return Error{ErrorCode::kDataLoss, path + ": the shards do not fit the number of samples"};
  }
  for (const Json& shard : shards->as_array()) {
    FS_TRY(const uint64_t bytes, Member::count(shard, "bytes", path));
    const Json* hash = shard.find("fnv1a64");
    if (hash == nullptr || !hash->is_string()) return Error{ErrorCode::kDataLoss, path + ": expected the hash of each shard"};
    card.shard_bytes.push_back(bytes);
    card.shard_hashes.push_back(hash->as_string());
  }
  if (const Json* kinds = json->find("kinds"); kinds != nullptr && kinds->is_object()) {
    for (const auto& [kind, n] : kinds->as_object()) card.kinds[kind] = n.is_int() ? static_cast<uint64_t>(n.as_int()) : 0;
  }
  if (const Json* generator = json->find("generator"); generator != nullptr && generator->is_string()) card.generator = generator->as_string();
  return std::unique_ptr<ShardSource>(new ShardSource(std::move(impl)));
}

Result<Sample> ShardSource::sample(uint64_t index) const {
  Impl& impl = *impl_;
  const uint64_t wrapped = index % impl.card.n_samples;
  const uint64_t shard = wrapped / impl.card.n_per_shard;
  const uint64_t line = wrapped % impl.card.n_per_shard;
  MutexLock lock(impl.mutex);
  if (impl.loaded != shard) FS_TRY_VOID(impl.load(shard));
  const size_t begin = impl.offsets[line];
  Result<Sample> sample = parse_sample_line(std::string_view(impl.text).substr(begin, impl.offsets[line + 1] - begin));
  if (!sample.ok()) {
    return Error{ErrorCode::kDataLoss, fmt::format("{}/{}: offset {}: {}", impl.folder, shard_name(shard), begin, sample.error().message)};
  }
  return sample;
}

Result<std::unique_ptr<ShardFolders>> ShardFolders::open(const std::vector<std::string>& folders) {
  if (folders.empty()) return Error{ErrorCode::kInvalidArgument, "expected at least one folder of shards"};
  std::unique_ptr<ShardFolders> all(new ShardFolders);
  for (const std::string& folder : folders) {
    FS_TRY(std::unique_ptr<ShardSource> source, ShardSource::open(folder));
    all->starts_.push_back(all->starts_.back() + source->size());
    all->folders_.push_back(std::move(source));
  }
  return all;
}

Result<Sample> ShardFolders::sample(uint64_t index) const {
  const uint64_t wrapped = index % size();
  const auto next = std::upper_bound(starts_.begin(), starts_.end(), wrapped);
  const auto k = static_cast<size_t>(next - starts_.begin()) - 1;
  return folders_[k]->sample(wrapped - starts_[k]);
}

std::string ShardFolders::digest() const {
  std::string hashes;
  for (const auto& folder : folders_) hashes += fmt::format("{}\n", fmt::join(folder->card().shard_hashes, "\n"));
  return hash_text(hashes);
}

}  // namespace firesteel
