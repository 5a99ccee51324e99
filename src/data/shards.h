// A data set as files: shards of JSON lines, compressed, beside a card that says what they are.
//
//   FOLDER/plan.json             what is to be written; a later run goes on only with the same plan
//   FOLDER/shard-000000.jsonl.zst ...   n_per_shard samples each, the last one fewer; complete or absent
//   FOLDER/card.json             counts, hashes, generator; written last, so that a folder without it is unfinished
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "data/synth.h"
#include "schema/sample.h"

namespace firesteel {

// Changes whenever the same options would give other samples: a hash of the curricula and the version of the code.
std::string generator_version();

struct ShardOptions {
  std::string folder;           // made if absent
  uint64_t n_samples = 0;
  uint64_t n_per_shard = 4096;
  SynthOptions synth = {};
};

struct DatasetCard {
  uint64_t n_samples = 0;
  uint64_t n_per_shard = 0;
  std::vector<uint64_t> shard_bytes;
  std::vector<std::string> shard_hashes;   // 64 bits of the compressed file, hexadecimal
  std::map<std::string, uint64_t> kinds;   // samples of each
  std::string generator;                   // generator_version()
};

// Writes what is missing. progress(done) is called after each shard; when it returns false, kCancelled, and the next call goes on.
// kFailedPrecondition when the folder holds another plan; kIo when the disk refuses, with every finished shard in place.
Result<DatasetCard> write_shards(const ShardOptions& options, const std::function<bool(uint64_t n_done)>& progress);

// Reads such a folder. Holds one decompressed shard at a time; thread-safe.
class ShardSource : public SampleSource {
 public:
  // kNotFound, kDataLoss: the card is missing or does not fit the files.
  static Result<std::unique_ptr<ShardSource>> open(const std::string& folder);
  ~ShardSource() override;

  // kDataLoss names shard and offset (bytes of the decompressed shard).
  Result<Sample> sample(uint64_t index) const override;
  uint64_t size() const;
  const DatasetCard& card() const;

 private:
  struct Impl;
  explicit ShardSource(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Several such folders as one source: the samples of the first, then those of the second ...; thread-safe.
class ShardFolders : public SampleSource {
 public:
  // kInvalidArgument without a folder; else as ShardSource::open.
  static Result<std::unique_ptr<ShardFolders>> open(const std::vector<std::string>& folders);

  // kDataLoss names shard and offset.
  Result<Sample> sample(uint64_t index) const override;
  uint64_t size() const { return starts_.back(); }
  // Of all shards' hashes in order: what was trained on, wherever it lies.
  std::string digest() const;

 private:
  ShardFolders() = default;
  std::vector<std::unique_ptr<ShardSource>> folders_;
  std::vector<uint64_t> starts_ = {0};  // of each folder, and the end
};

}  // namespace firesteel
