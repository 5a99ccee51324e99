// A model and a tokenizer for the engine's tests. The model writes every token with its position and a running hash into the KV
// blocks, reads the whole history back from them for every row, and says so when anything is not what it wrote: a block that was
// shared, copied, evicted or resumed wrongly. Its logits are a function of that hash.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/check.h"
#include "model/model.h"
#include "tokenizer/tokenizer.h"

namespace firesteel {

// Ids 0..255 are bytes.
enum : TokenId { kFakeEos = 256, kFakeBos = 257, kFakeThink = 258, kFakeEndThink = 259, kFakeVocab = 260 };

class FakeTokenizer final : public Tokenizer {
 public:
  Status encode(std::string_view text, const EncodeOptions& options, std::vector<TokenId>* ids) const override {
    if (options.add_special && with_bos) ids->push_back(kFakeBos);
    for (size_t i = 0; i < text.size(); ++i) {
      if (options.parse_special && text.substr(i).starts_with("<think>")) {
        ids->push_back(kFakeThink);
        i += 6;
      } else {
        ids->push_back(static_cast<unsigned char>(text[i]));
      }
    }
    return {};
  }
  void append_piece(TokenId id, bool render_special, std::string* out) const override {
    if (id >= 0 && id < 256) {
      out->push_back(static_cast<char>(id));
    } else if (render_special) {
      out->append(text(id));
    }
  }
  std::string decode(std::span<const TokenId> ids, bool render_special) const override {
    std::string out;
    for (const TokenId id : ids) append_piece(id, render_special, &out);
    return out;
  }
  int64_t n_vocab() const override { return kFakeVocab; }
  TokenType type(TokenId id) const override {
    if (!has_letters && id >= 'a' && id <= 'z') return TokenType::kUnused;
    return id < 256 ? TokenType::kByte : TokenType::kControl;
  }
  std::string_view text(TokenId id) const override {
    switch (id) {
      case kFakeEos: return "<eos>";
      case kFakeBos: return "<bos>";
      case kFakeThink: return "<think>";
      case kFakeEndThink: return "</think>";
      default: return "";
    }
  }
  std::optional<TokenId> find(std::string_view stored) const override {
    if (!markers_in_vocabulary) return std::nullopt;
    for (TokenId id = 256; id < kFakeVocab; ++id) {
      if (text(id) == stored) return id;
    }
    return std::nullopt;
  }
  std::optional<TokenId> bos() const override { return kFakeBos; }
  std::optional<TokenId> eos() const override { return kFakeEos; }
  bool adds_bos() const override { return with_bos; }
  bool is_end_of_generation(TokenId id) const override { return id == kFakeEos; }
  std::string_view kind() const override { return "fake"; }

  bool with_bos = false;
  bool has_letters = true;  // a..z may be written
  bool markers_in_vocabulary = true;
};

class FakeModel final : public Model {
 public:
  explicit FakeModel(int64_t context_length = 2048) {
    config_.architecture = "fake";
    config_.n_layers = 1;
    config_.n_heads = config_.n_kv_heads = 1;
    config_.head_dim = 16;
    config_.dim = 16;
    config_.n_vocab = kFakeVocab;
    config_.context_length = context_length;
  }

  // After a history that ends in `prompt`, the model says `answer` and ends.
  void script_ids(const std::string& prompt, std::vector<TokenId> answer) {
    std::vector<TokenId> ids;
    for (const char c : prompt) ids.push_back(static_cast<unsigned char>(c));
    scripts_.push_back({std::move(ids), std::move(answer)});
  }
  void script(const std::string& prompt, const std::string& answer) {
    std::vector<TokenId> ids;
    for (const char c : answer) ids.push_back(static_cast<unsigned char>(c));
    script_ids(prompt, std::move(ids));
  }

  std::function<void(const ForwardBatch&)> before_forward;  // set before the engine starts
  TokenId breaks_on = -1;                     // a history with this token gets NaN logits; never the likeliest itself
  mutable std::atomic<int64_t> n_corrupt{0};  // rows that found another history than the one they belong to
  mutable std::atomic<int64_t> n_rows{0};

  const ModelConfig& config() const override { return config_; }
  const Checkpoint& checkpoint() const override { std::abort(); }  // the engine asks for identity() only
  const std::string& identity() const override { return identity_; }
  KvType default_kv_type() const override { return KvType::kF32; }
  uint64_t weight_bytes_per_token() const override { return 0; }
  uint64_t macs_per_token() const override { return 0; }
  std::unique_ptr<Workspace> new_workspace(int max_rows, int, int64_t) const override {
    return std::make_unique<FakeWorkspace>(max_rows);
  }
  void set_identity(std::string identity) { identity_ = std::move(identity); }

  // The hidden state after a history with this hash: as good as random, in -1..1.
  static float hidden_value(uint64_t hash, int64_t i) { return static_cast<float>(mix(hash, static_cast<uint64_t>(i)) >> 40) * 0x1p-23f - 1; }
  static uint64_t mix(uint64_t hash, uint64_t value) {
    hash = (hash ^ value) * 0x9E3779B97F4A7C15u;
    return hash ^ (hash >> 29);
  }

  void forward(Exec*, const KernelTable&, Workspace* workspace, const KvLayout& layout, const ForwardBatch& batch,
               float* logits) const override {
    if (before_forward) before_forward(batch);
    CHECK(static_cast<int>(batch.rows.size()) <= workspace->max_rows());
    n_rows += static_cast<int64_t>(batch.rows.size());
    float* hidden = batch.hidden;
    for (const ForwardRow& row : batch.rows) {
      const AttnSeq& seq = batch.seqs[static_cast<size_t>(row.seq)];
      CHECK(row.position / kKvBlockTokens < seq.n_blocks && row.token >= 0 && (row.embedding != nullptr || row.token < kFakeVocab));
      std::vector<TokenId> history;
      uint64_t hash = 1;
      for (int32_t p = 0; p <= row.position; ++p) {
        // Where f32 values of this position lie (tensor/kv_layout.h), so that snapshots, which know the layout, keep it.
        Slot* slot = reinterpret_cast<Slot*>(seq.blocks[p / kKvBlockTokens] + layout.v_offset(0, 0) +
                                             static_cast<size_t>(p % kKvBlockTokens) * 16 * sizeof(float));
        if (p == row.position) *slot = {mix(hash, static_cast<uint64_t>(row.token)), row.token, p};
        hash = mix(hash, static_cast<uint64_t>(slot->token));
        if (slot->hash != hash || slot->position != p) ++n_corrupt;
        history.push_back(slot->token);
      }
      if (row.wants_hidden) {
        for (int64_t i = 0; i < config_.dim; ++i) *hidden++ = hidden_value(hash, i);
      }
      if (!row.wants_logits) continue;
      write_logits(history, hash, logits);
      logits += kFakeVocab;
    }
  }

 private:
  struct Slot {
    uint64_t hash;
    int32_t token;
    int32_t position;
  };
  struct Script {
    std::vector<TokenId> prompt, answer;
  };
  class FakeWorkspace final : public Workspace {
   public:
    explicit FakeWorkspace(int max_rows) : max_rows_(max_rows) {}
    int max_rows() const override { return max_rows_; }
    size_t n_bytes() const override { return 0; }

   private:
    int max_rows_;
  };
  void write_logits(const std::vector<TokenId>& history, uint64_t hash, float* logits) const {
    for (TokenId id = 0; id < kFakeVocab; ++id) {
      hash = mix(hash, static_cast<uint64_t>(id));
      logits[id] = static_cast<float>(hash >> 40) * (6.f / 0x1.0p24f);
    }
    logits[kFakeEos] = -5;
    if (breaks_on >= 0) logits[breaks_on] = -5;
    for (const TokenId id : history) {
      if (id == breaks_on) logits[7] = std::numeric_limits<float>::quiet_NaN();
    }
    for (const Script& script : scripts_) {
      if (const auto next = next_of(script, history)) logits[*next] = 60;
    }
  }

  static std::optional<TokenId> next_of(const Script& script, const std::vector<TokenId>& history) {
    for (size_t n = std::min(script.answer.size(), history.size()) + 1; n-- > 0;) {
      // Does the history end in the prompt and the first n tokens of the answer?
      std::vector<TokenId> all = script.prompt;
      all.insert(all.end(), script.answer.begin(), script.answer.begin() + static_cast<ptrdiff_t>(n));
      if (all.size() > history.size() || !std::equal(all.rbegin(), all.rend(), history.rbegin())) continue;
      return n < script.answer.size() ? script.answer[n] : static_cast<TokenId>(kFakeEos);
    }
    return std::nullopt;
  }

  ModelConfig config_;
  std::string identity_ = "fake";
  std::vector<Script> scripts_;
};

}  // namespace firesteel
